"""Questions, thoughts and answers about a scene, about plain sums, and about everything else.

A task turns a scene into one `Example`. Every task can be answered with and without a thought,
and nothing in a question's wording tells which: that is bi-mode annealing. How often a thought
is shown depends only on the kind of task (`THINK_SHARE`), which is what the model's p(think)
learns to reproduce.
"""

import re
from dataclasses import dataclass

import scenes
from scenes import COLOURS, SHAPES

REFUSAL = "I was only taught to read numbers, shapes, colours and small bar charts, and to add up."
NO_PICTURE = "There is no picture to look at."
GREETING = "Hello! Show me a picture of numbers, shapes or bars and ask me about it."
WHO = "I am a tiny model that reads numbers, shapes and bars, and adds them up."

THINK_SHARE = {"multi-step": 0.8, "perception": 0.25, "text": 0.25, "out-of-scope": 0.12}
"""Share of examples of a kind that are shown with a thought."""


@dataclass
class Example:
    """A question with its answer, and the thought that leads there."""

    task: str
    kind: str
    question: str
    thought: str
    answer: str


# --- words ---------------------------------------------------------------------------------


def join(words):
    """["a", "b", "c"] -> "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def shape_name(item):
    article = "an" if item.colour[0] in "aeiou" else "a"
    return f"{article} {item.colour} {item.shape}"


def coloured(item):
    """How a thought notes an item: "red 23", "blue star"."""
    return f"{item.colour} {item.shape or item.value}"


def see(scene):
    """The first line of a thought: everything in the picture, in reading order."""
    if scene.bars:
        return f"The bars are {join([str(bar.value) for bar in scene.bars])}."
    names = [str(i.value) if i.kind == scenes.NUMBER else shape_name(i) for i in scene.items]
    return f"I see {join(names)}."


def see_coloured(scene):
    """The same with colours, for questions that look something up by colour or shape."""
    return f"I see {join([coloured(item) for item in scene.items])}."


ANY_ORDER = {"describe", "read_numbers", "list_shapes", "colour_of_shape"}
"""Tasks whose answer is a list that is right in any order."""


def same_answer(task, given, expected):
    """Whether an answer is the expected one, up to the order of a list where order is free."""
    if given is None or task not in ANY_ORDER:
        return given == expected
    return sorted(re.split(", | and ", given)) == sorted(re.split(", | and ", expected))


# --- sums, digit by digit ------------------------------------------------------------------


def addition(a, b):
    """"48+23: 8+3=11, 4+2+1=7, so 71." Every step only needs single digits and a carry."""
    steps, carry, x, y = [], 0, a, b
    while x or y:
        digits = [str(x % 10), str(y % 10)] if y else [str(x % 10)]
        total = x % 10 + y % 10 + carry
        steps.append("+".join(digits + (["1"] if carry else [])) + f"={total}")
        carry = total // 10
        x, y = x // 10, y // 10
    return f"{a}+{b}: {', '.join(steps)}, so {a + b}."


def subtraction(a, b):
    """"71-48: 11-8=3, 7-1-4=2, so 23." with borrowing; a >= b and both below 100."""
    borrow = a % 10 < b % 10
    steps = [f"{'1' if borrow else ''}{a % 10}-{b % 10}={(a - b) % 10}"]
    if a >= 10:
        rest = f"{a // 10}" + ("-1" if borrow else "") + (f"-{b // 10}" if b >= 10 else "")
        steps.append(f"{rest}={a // 10 - borrow - b // 10}")
    return f"{a}-{b}: {', '.join(steps)}, so {a - b}."


def running_sum(values):
    """Add a list up from the left; the larger addend is written first."""
    lines, total = [], values[0]
    for value in values[1:]:
        lines.append(addition(max(total, value), min(total, value)))
        total += value
    return "\n".join(lines), total


# --- wording -------------------------------------------------------------------------------

PLACE = ["", "", "", " in the picture", " in this picture", " in the image", " here", " on the card",
         " you see", " in the photo", " shown"]
CHART_PLACE = ["", "", "", " in the chart", " in this chart", " in the picture", " here", " shown"]
OPENING = ["", "", "", "", "", "", "Please tell me: ", "Tell me, ", "Look at the picture. ", "Hi! ",
           "Can you tell me: ", "Quick question: ", "I wonder: "]

WORDING = {
    "read_number": [
        "What is the number{p}?", "What number is{p2}?", "Which number is this?",
        "What number do you see?", "Read the number{p}.", "What number is shown?",
        "What is the number written{p}?", "Tell me the number{p}.", "What's the number{p}?",
        "Which number do you see{p0}?", "What number is it?",
        "What number can you see{p0}?", "Which number can you see?",
    ],
    "read_numbers": [
        "What numbers are{p2}?", "What are the numbers{p}?", "Which numbers are{p2}?",
        "Which numbers do you see?", "Read the numbers{p}.", "List the numbers{p}.",
        "List all numbers{p}.", "Read all the numbers{p}.", "What numbers do you see?",
        "Tell me the numbers{p}.", "Name the numbers{p}.",
        "What numbers can you see{p0}?", "What are these numbers?", "Which numbers can you see?",
    ],
    "describe": [
        "What is{p2}?", "What do you see?", "What can you see{p0}?", "Describe the picture.",
        "What is in the picture?", "What's in the picture?", "Describe this image.",
        "What does the picture show?", "What is this?", "What do you see in the picture?",
        "What is shown{p0}?",
    ],
    "list_shapes": [
        "What shapes are{p2}?", "Which shapes are{p2}?", "What are the shapes{p}?",
        "List the shapes{p}.", "Name the shapes{p}.", "Which shapes do you see?",
        "What shapes do you see?", "List all the shapes{p}.", "Tell me the shapes{p}.",
        "What shapes can you see{p0}?", "What are these shapes?", "Describe the shapes{p}.",
    ],
    "name_shape": [
        "What shape is this?", "What shape is it?", "What is the shape{p}?", "Which shape is this?",
        "What shape is{p2}?", "Name the shape{p}.", "Which shape do you see?",
        "What kind of shape is it?", "What shape do you see?", "What's the shape{p}?",
    ],
    "name_colour": [
        "What colour is it?", "What colour is this?", "What is the colour?", "Which colour is it?",
        "What color is it?", "What color is this?", "What is its colour?", "Which color is this?",
        "What colour does it have?", "What colour is the {thing}?", "What color is the {thing}?",
        "Which colour is the {thing}?", "Tell me the colour of the {thing}.",
    ],
    "count": [
        "How many {things} are there?", "How many {things} are{p2}?", "How many {things} do you see?",
        "Count the {things}{p}.", "What is the number of {things}{p}?", "How many {things}?",
        "How many {things} can you see?", "How many {things} does the picture have?",
        "How many {things} are there{p}?",
    ],
    "largest": [
        "Which is the largest number{p}?", "What is the largest number{p}?",
        "Which number is the largest?", "What is the biggest number{p}?",
        "Which number is the biggest?", "What's the highest number{p}?", "Find the largest number.",
        "Which is the biggest number?", "What is the maximum?",
        "Which number is largest?", "What number is the largest?", "Which number is biggest?",
    ],
    "smallest": [
        "Which is the smallest number{p}?", "What is the smallest number{p}?",
        "Which number is the smallest?", "What is the lowest number{p}?",
        "Which number is the lowest?", "What's the smallest number{p}?",
        "Find the smallest number.", "What is the minimum?",
        "Which number is smallest?", "What number is the smallest?",
    ],
    "bar_values": [
        "What are the values of the bars{c}?", "How tall are the bars{c}?", "Read the chart.",
        "Read the bars{c}.", "What values does the chart show?", "What are the bar values{c}?",
        "List the values of the bars{c}.", "What heights do the bars have?", "Read the bar chart.",
        "What are the heights of the bars{c}?",
        "What does the chart show?", "What are the values{c}?", "What values do you see{c}?",
        "Which values does the chart have?",
    ],
    "tallest_value": [
        "What is the value of the tallest bar{c}?", "How tall is the tallest bar{c}?",
        "How high is the highest bar{c}?", "What is the largest value{c}?",
        "What is the highest value{c}?", "What does the tallest bar show?",
        "What is the biggest value{c}?",
    ],
    "tallest_colour": [
        "Which bar is the tallest?", "Which bar is tallest?", "What colour is the tallest bar{c}?",
        "Which is the tallest bar{c}?", "Which bar is the highest?", "Which bar is the longest?",
        "Which colour is the tallest bar{c}?", "What color is the tallest bar{c}?",
    ],
    "sum_numbers": [
        "What is the sum of the numbers{p}?", "What is the sum{p}?", "Add the numbers{p}.",
        "Add up the numbers{p}.", "What do the numbers add up to?", "What is the total{p}?",
        "What is the total of the numbers{p}?", "What's the sum of the numbers{p}?",
        "Sum the numbers{p}.", "How much is it in total?", "Calculate the sum of the numbers.",
        "What is the sum of all numbers{p}?", "Add all the numbers together.",
        "Add them up.", "What do they add up to?", "Sum up all the numbers{p}.", "Sum?",
        "Can you add the numbers{p}?", "Add up all the numbers{p}.", "What is the total sum?",
    ],
    "difference": [
        "What is the difference between the largest and the smallest number{p}?",
        "What is the difference between the biggest and the smallest number{p}?",
        "What is the largest number minus the smallest{p0}?",
        "How much larger is the largest number than the smallest?",
        "Subtract the smallest number from the largest.",
        "What's the difference between the largest and the smallest number?",
        "What is the largest minus the smallest number?",
        "By how much is the largest number bigger than the smallest?",
    ],
    "sum_bars": [
        "What is the total of the bars{c}?", "What is the sum of the bars{c}?", "Add up the bars{c}.",
        "What do the bars add up to?", "What is the total of all bars{c}?",
        "What is the sum of the values{c}?", "What is the total of the chart?",
        "Add the values of the bars{c}.", "What's the total of the bars?",
        "What is the total{c}?", "What is the sum{c}?", "What is the sum of all bars{c}?",
        "Add up the values{c}.", "Add them up.",
    ],
    "colour_of_shape": [
        "What colour is the {shape}?", "What color is the {shape}?", "Which colour is the {shape}?",
        "What is the colour of the {shape}?", "Tell me the colour of the {shape}.",
        "Which color does the {shape} have?",
    ],
    "shape_of_colour": [
        "Which shape is {colour}?", "What shape is {colour}?", "What is the {colour} shape?",
        "Which is the {colour} shape?", "What is the {colour} thing?", "Name the {colour} shape.",
    ],
    "number_of_colour": [
        "What is the {colour} number?", "Which number is {colour}?", "What number is {colour}?",
        "What's the {colour} number?", "Read the {colour} number.", "Tell me the {colour} number.",
    ],
    "bar_of_colour": [
        "What is the value of the {colour} bar?", "How tall is the {colour} bar?",
        "How high is the {colour} bar?", "What does the {colour} bar show?",
        "What is the {colour} bar's value?", "Read the {colour} bar.",
    ],
    "text_sum": [
        "What is {a}?", "What is {a}?", "{a}", "{a} = ?", "{a}=", "How much is {a}?", "Calculate {a}.",
        "Compute {a}.", "What's {a}?", "Please compute {a}.", "Solve {a}.", "Add up {a}.",
        "Work out {a}.", "Can you work out {a}?",
    ],
    "text_difference": [
        "What is {a}?", "What is {a}?", "{a}", "{a} = ?", "{a}=", "How much is {a}?", "Calculate {a}.",
        "Compute {a}.", "What's {a}?", "Please compute {a}.", "Solve {a}.", "Work out {a}.",
    ],
}


def phrase(rng, task, **words):
    """A random wording of a task's question, with the small irregularities of typed text."""
    place = rng.choice(PLACE)
    question = rng.choice(WORDING[task]).format(
        p=place,
        p0=rng.choice(["", "", " here", " in the picture", " in this image"]),
        p2=rng.choice([" there", " in the picture", " in this picture", " in the image", " here",
                       " on the card", " shown", " shown in the picture"]),
        c=rng.choice(CHART_PLACE),
        **words,
    )
    return roughen(rng, question)


def roughen(rng, question):
    """Openings, lower case, missing punctuation and the odd typo: people type like this."""
    question = rng.choice(OPENING) + question
    if rng.random() < 0.2:
        question = question.lower()
    elif rng.random() < 0.1:
        question = question[0].lower() + question[1:]
    if rng.random() < 0.15:
        question = question.rstrip("?.")
    elif rng.random() < 0.04:
        question += rng.choice(["?", " Thanks!", " please", "??", " "])
    if rng.random() < 0.04:
        letters = [i for i in range(len(question) - 1) if question[i : i + 2].isalpha()]
        if letters:
            i = rng.choice(letters)
            question = question[:i] + question[i + 1] + question[i] + question[i + 2 :]
    return question


# --- tasks over a picture --------------------------------------------------------------------

def picture_examples(scene, rng):
    """All tasks that make sense for this scene, as {task: function making one Example}."""
    numbers, shapes, bars = scene.numbers, scene.shapes, scene.bars
    values = [item.value for item in numbers]
    read = see(scene)
    makers = {}

    def offer(task, kind, thought, answer, **words):
        makers[task] = lambda: Example(task, kind, phrase(rng, task, **words), thought, answer)

    if bars:
        heights = [bar.value for bar in bars]
        offer("describe", "perception", read, f"a bar chart with {len(bars)} bars")
        offer("bar_values", "perception", read, join([str(h) for h in heights]))
        offer("count", "perception", f"{read} That makes {len(bars)}.", str(len(bars)), things="bars")
        top = max(heights)
        offer("tallest_value", "perception", f"{read} The tallest is {top}.", str(top))
        if heights.count(top) == 1:
            tallest = bars[heights.index(top)].colour
            offer("tallest_colour", "perception", f"{see_coloured(scene)} The tallest is {top}.",
                  f"the {tallest} bar")
        lines, total = running_sum(heights)
        offer("sum_bars", "multi-step", f"{read}\n{lines}", str(total))
        bar = rng.choice(bars)
        offer("bar_of_colour", "perception", f"{see_coloured(scene)} {bar.colour.title()} is {bar.value}.",
              str(bar.value), colour=bar.colour)
        return makers

    offer("describe", "perception", read,
          join([str(i.value) if i.kind == scenes.NUMBER else shape_name(i) for i in scene.items]))
    if numbers:
        task = "read_number" if len(numbers) == 1 else "read_numbers"
        offer(task, "perception", read, join([str(v) for v in values]))
        offer("count", "perception", f"{read} That makes {len(numbers)}.", str(len(numbers)),
              things="numbers")
        lookup = rng.choice(numbers)
        if len(numbers) > 1 and [n.colour for n in numbers].count(lookup.colour) == 1:
            offer("number_of_colour", "perception",
                  f"{see_coloured(scene)} {lookup.colour.title()} is {lookup.value}.",
                  str(lookup.value), colour=lookup.colour)
    if len(numbers) > 1:
        low, high = min(values), max(values)
        offer("largest", "perception", f"{read} The largest is {high}.", str(high))
        offer("smallest", "perception", f"{read} The smallest is {low}.", str(low))
        lines, total = running_sum(values)
        offer("sum_numbers", "multi-step", f"{read}\n{lines}", str(total))
        if high > low:
            offer("difference", "multi-step",
                  f"{read} The largest is {high}, the smallest is {low}.\n{subtraction(high, low)}",
                  str(high - low))
    if shapes and not numbers:
        offer("list_shapes", "perception", read, join([shape_name(s) for s in shapes]))
        offer("count", "perception", f"{read} That makes {len(shapes)}.", str(len(shapes)),
              things="shapes")
        if len(shapes) == 1:
            offer("name_shape", "perception", read, f"a {shapes[0].shape}")
            offer("name_colour", "perception", read, shapes[0].colour,
                  thing=rng.choice(["shape", "object", shapes[0].shape]))
        else:
            one = rng.choice(shapes)
            if [s.shape for s in shapes].count(one.shape) == 1:
                # Picking one colour out of several shapes takes this model too long to learn,
                # so it names them all: longer than asked for, but true.
                offer("colour_of_shape", "perception", read,
                      join([shape_name(s) for s in shapes]), shape=one.shape)
            if [s.colour for s in shapes].count(one.colour) == 1:
                offer("shape_of_colour", "perception",
                      f"{see_coloured(scene)} The {one.colour} one is a {one.shape}.",
                      f"a {one.shape}", colour=one.colour)
    return makers


def absent_example(scene, rng):
    """A question about something this picture does not have."""
    if scene.bars:
        task, missing = rng.choice([("sum_numbers", "numbers"), ("list_shapes", "shapes"),
                                    ("read_numbers", "numbers"), ("largest", "numbers")])
    elif scene.numbers:
        if scene.shapes:
            return None
        task, missing = rng.choice([("list_shapes", "shapes"), ("sum_bars", "bars"),
                                    ("bar_values", "bars"), ("name_shape", "shapes")])
    else:
        task, missing = rng.choice([("sum_numbers", "numbers"), ("read_numbers", "numbers"),
                                    ("sum_bars", "bars"), ("read_number", "numbers")])
    question = phrase(rng, task)
    # Only wordings that name the missing thing are fair: "What is the total?" is not.
    if missing[:-1] not in question.lower():
        return None
    return Example("absent", "perception", question, see(scene),
                   f"There are no {missing} in the picture.")


# --- tasks without a picture -------------------------------------------------------------------


def text_sum(rng, terms=None):
    """A sum written in the question: one-digit sums are "easy", the rest is multi-step."""
    terms = terms or rng.choices([1, 2, 3], [25, 50, 25])[0]
    if terms == 1:
        values = [rng.randint(1, 9), rng.randint(1, 9)]
    else:
        values = [rng.randint(1, 9) if rng.random() < 0.15 else rng.randint(10, 99)
                  for _ in range(terms)]
    lines, total = running_sum(values)
    sign = rng.choice([" + ", " + ", " + ", "+", " plus "])
    task = {1: "text_sum_easy", 2: "text_sum", 3: "text_sum_three"}[terms]
    question = phrase(rng, "text_sum", a=sign.join(str(v) for v in values))
    return Example(task, "text" if terms == 1 else "multi-step", question, lines, str(total))


def text_difference(rng):
    """A subtraction written in the question; never negative."""
    a, b = sorted([rng.randint(1, 99), rng.randint(1, 99)], reverse=True)
    sign = rng.choice([" - ", " - ", " - ", "-", " minus "])
    question = phrase(rng, "text_difference", a=f"{a}{sign}{b}")
    return Example("text_difference", "multi-step", question, subtraction(a, b), str(a - b))


def no_picture_example(rng):
    """A picture question without a picture."""
    task = rng.choice([name for name in WORDING if not name.startswith("text_")])
    words = {"thing": "shape", "things": rng.choice(["shapes", "numbers", "bars"]),
             "shape": rng.choice(SHAPES), "colour": rng.choice(list(COLOURS))}
    question = phrase(rng, task, **words)
    return Example("no_picture", "text", question, "No picture was sent.", NO_PICTURE)


HELLO = ["Hi", "Hello", "Hey", "Good morning", "hi there", "Hello there", "Good evening", "hey you",
         "Hi!", "Hello!", "Good day", "greetings", "Hiya", "yo"]
WHO_WORDING = ["Who are you", "What are you", "What can you do", "What is your name",
               "Introduce yourself", "Tell me about yourself", "What do you know",
               "What were you taught", "How can you help me", "What model are you",
               "What can I ask you", "Help", "Are you a robot", "Are you an AI", "Who made you",
               "What are you good at"]


def greeting_example(rng):
    """Small talk gets one fixed sentence, questions about the model another."""
    if rng.random() < 0.5:
        question, answer, thought = rng.choice(HELLO), GREETING, "This is a greeting."
        question += rng.choice(["", "", ".", "!"])
    else:
        question, answer, thought = rng.choice(WHO_WORDING), WHO, "This is about me."
        question += rng.choice(["?", "?", "", "."])
    if rng.random() < 0.3:
        question = question.lower()
    return Example("greeting", "text", question, thought, answer)
