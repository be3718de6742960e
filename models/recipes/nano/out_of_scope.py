"""Questions the model was not taught, which it must decline in one plain sentence.

The space of foreign questions is endless and the model is tiny, so breadth matters more than
meaning: many sentence patterns, many fillers, and invented words, which teach that an unknown
word means "not mine". `HELD_OUT` is written separately and used for measuring only.
"""

from questions import REFUSAL, Example, roughen

THINGS = """dog cat house car tree bird horse person man woman child baby ball table chair phone
computer book flower mountain river train plane boat bicycle cow sheep fish elephant tiger spider
window door street city beach sun moon cloud road bridge hat shirt shoe bag cup bottle plate spoon
pizza apple banana cake cookie sandwich egg bread cheese face hand eye nose logo sign flag map clock
letter word sentence text name animal people cars dogs cats birds flowers trees fingers windows wheels
ladder hammer guitar piano drum candle lamp mirror bed sofa carpet garden fence lake island""".split()
PLACES = """Paris London Berlin Tokyo France Germany Japan China India Brazil Spain Italy Canada Egypt
Rome Madrid Africa Europe America Australia Mexico Kenya Norway Sweden Poland Russia Vienna Moscow
Chicago Texas California Greece Turkey Peru Chile Korea Vietnam""".split()
TOPICS = """love war history music football chess physics chemistry biology gravity evolution money
happiness philosophy religion politics economics climate energy photosynthesis democracy poetry art
cooking sleep health exercise dreams space dinosaurs robots computers programming python javascript
algebra geometry calculus vikings pyramids volcanoes earthquakes oceans bees coffee tea wine chocolate
summer winter friendship work school the internet the universe the weather tomorrow yesterday""".split()
PEOPLE = """president king queen author inventor founder mayor teacher doctor winner captain leader
singer actor director composer painter boss pope chancellor champion prime minister""".split()
MAKINGS = """poem story song joke letter email essay haiku recipe speech summary list function script
novel limerick tweet review report plan riddle rap cover letter""".split()
VERBS = """swim fly cook dance sing drive sleep run read write paint draw play win travel study jump
laugh whistle knit fish ski climb invest meditate program""".split()
ADJECTIVES = """happy sad angry funny famous expensive dangerous healthy old new fast slow beautiful
ugly strange cold hot safe rich poor smart heavy famous delicious scary""".split()

PATTERNS = [
    "Is there a {t} in the picture?", "Is there a {t}?", "Do you see a {t}?", "Where is the {t}?",
    "Can you see the {t} in this image?", "How many {t}s are there?", "How many {t}s do you see?",
    "How many {t}s are in the picture?", "What colour is the {t}?", "What color is the {t}?",
    "What is the {t} doing?", "What kind of {t} is this?", "What is the name of the {t}?",
    "Which {t} is the {a}?", "How big is the {t}?", "How old is the {t}?", "What shape is the {t}?",
    "Who is in the picture?", "Who took this photo?", "Where was this picture taken?",
    "When was this picture taken?", "What is the mood of the picture?", "Is this picture {a}?",
    "What season is it in the picture?", "What does the text say?", "What does the {t} say?",
    "What is behind the {t}?", "What is the person doing?", "What is the {t} made of?",
    "Who is the {p} of {c}?", "Who was the first {p} of {c}?", "Who is the {p}?",
    "Who invented the {t}?", "Who wrote the {m}?", "Who won the {m}?", "Who discovered {o}?",
    "What is the capital of {c}?", "What is the population of {c}?", "Where is {c}?",
    "How far is it from {c} to {c2}?", "What language do they speak in {c}?",
    "How do I get to {c}?", "What time is it in {c}?", "What is the weather in {c}?",
    "What is the weather like today?", "Will it rain tomorrow in {c}?", "How cold is it in {c}?",
    "What time is it?", "What day is it today?", "What is today's date?", "What year is it?",
    "Write a {m} about {o}.", "Write a {m}.", "Write me a {m} about a {t}.", "Tell me a {m}.",
    "Tell me a {m} about {c}.", "Give me a {m} about {o}.", "Compose a {m} for my {t}.",
    "Explain {o}.", "Explain {o} to me.", "Explain how {o} works.", "What is {o}?",
    "What do you think about {o}?", "Tell me about {o}.", "Tell me about {c}.", "Why is {o} so {a}?",
    "What is the meaning of {o}?", "What is the history of {c}?", "Teach me {o}.",
    "How does a {t} work?", "How do I {v}?", "How can I learn to {v}?", "Can you {v}?",
    "Do you like {o}?", "Do you like to {v}?", "Should I {v} today?", "Why do people {v}?",
    "How do you make a {t}?", "How do you say {t} in French?", "Translate {t} into German.",
    "Translate this into Spanish: the {t} is {a}.", "What is a {t}?", "What does {a} mean?",
    "Define {o}.", "Spell {t}.", "What rhymes with {t}?", "What is the plural of {t}?",
    "How much does a {t} cost?", "Where can I buy a {t}?", "Recommend a {m} about {o}.",
    "What is the best {t}?", "Which is better, a {t} or a {t2}?", "Compare {c} and {c2}.",
    "Is a {t} {a}?", "Are {t}s {a}?", "Why are {t}s {a}?", "Is {c} {a}?", "Are you {a}?",
    "My {t} is {a}, what should I do?", "I want to {v}.", "I need a {t}.", "I am {a}.",
    "I like {o}.", "The {t} is {a}.", "Summarise this article about {o}.", "Fix my {t}.",
    "Write a program that can {v}.", "Write code for a {t}.", "Sort this list: {t}, {t2}.",
    "What is the square root of {n}?", "What is {n} percent of {n2}?", "Is {n} a prime number?",
    "What is {n} times {n2}?", "What is {n} * {n2}?", "{n} * {n2}", "What is {n} divided by {n2}?",
    "{n} / {n2}", "Divide {n} by {n2}.", "Multiply {n} by {n2}.", "What is {n} to the power of {n2}?",
    "What is the product of the numbers?", "What is the average of the numbers?",
    "Multiply the numbers.", "What is the mean of the bars?", "Solve x + {n} = {n2}.",
    "Convert {n} miles to kilometres.", "How many days are in {n} weeks?", "What happened in 19{n}?",
    "Who are the {t}s?", "Why?", "Why not?", "How?", "When?", "Where?", "Really?", "Thanks!",
    "Thank you", "Ok", "Yes", "No", "Maybe", "Good night", "Sorry", "Stop", "I love you", "lol",
    "Please draw a {t}.", "Draw a picture of a {t}.", "Make an image of {c}.", "Play a {m}.",
    "Sing a {m}.", "Order a {t} for me.", "Call my {t}.", "Open the {t}.", "Turn on the {t}.",
    "Set an alarm for {n}.", "Remind me to {v}.", "Book a flight to {c}.", "Find a {t} near me.",
    "What is your favourite {t}?", "What is your opinion on {o}?", "Do you have a {t}?",
    "Have you ever seen a {t}?", "Are there any {t}s in {c}?", "Does this {t} look {a} to you?",
    "{t}", "{t} {t2}", "{o}", "{c}", "{t} {a} {v}", "{v} the {t}", "a {a} {t}",
]

# Hand-written and used for measuring only; 26 of the 70 happen to fit a pattern above.
HELD_OUT = [
    "Who is the president?", "Write a poem", "Is there a dog?", "What is the weather?",
    "Who painted the Mona Lisa?", "Can you book me a table for two?", "What's for dinner tonight?",
    "Give me five ideas for a birthday party.", "Which team will win the world cup?",
    "Is the person in the photo smiling?", "What brand is this shoe?", "How tall is the Eiffel Tower?",
    "Please proofread my essay.", "What are the side effects of aspirin?", "Sing me a lullaby.",
    "How do airplanes stay in the air?", "What is the speed of light?", "Why is the sky blue?",
    "Who let the dogs out?", "What would Shakespeare say about this?", "Is this food healthy?",
    "Are there any people in this image?", "Which country is shown on this map?",
    "What is the licence plate of the car?", "Does the man wear glasses?", "Read the menu to me.",
    "What street is this?", "How do I boil an egg?", "What is machine learning?",
    "Tell me something interesting.", "Explain quantum mechanics simply.", "What's the stock price today?",
    "Can pigs fly?", "What is the derivative of x squared?", "How many planets are in the solar system?",
    "Who wrote Hamlet?", "What is the tallest mountain in the world?", "When did the war end?",
    "Generate a password for me.", "What movie should I watch?", "Is it going to snow?",
    "Where do penguins live?", "What is the chemical formula of water?", "Debug this code please.",
    "What does this error message mean?", "Give me a synonym for quick.", "Who is Albert Einstein?",
    "How long does it take to get to Mars?", "What is the best way to lose weight?",
    "Which animal is in this photograph?", "What is the man holding?", "Do you believe in ghosts?",
    "Is the cat sleeping?", "How many people are at the table?", "What is written on the T-shirt?",
    "Summarize the plot of Star Wars.", "What should I name my puppy?", "What is the meaning of life?",
    "Are vaccines safe?", "What's the distance to the moon?", "Turn left at the corner.",
    "Give me the recipe for pancakes.", "What languages can you speak?", "Tell me your secrets.",
    "What is the GDP of Switzerland?", "Is there any water in the scene?", "Do my homework.",
    "How many legs does a spider have?", "Who scored the goal?", "What instrument is she playing?",
]

THOUGHT = "I was not taught this."


def invented_word(rng):
    """A pronounceable word that means nothing."""
    word = "".join(
        rng.choice("b c d f g h k l m n p r s t v w z br ch dr gr pl sh st th tr".split())
        + rng.choice("a e i o u ai ee oo ou".split())
        for _ in range(rng.randint(1, 3))
    )
    return word + rng.choice(["", "n", "r", "t", "l", "s", "ck", "ng"])


def out_of_scope_example(rng):
    """One foreign question from the training patterns."""

    def filler(words):
        return invented_word(rng) if rng.random() < 0.25 else rng.choice(words)

    if rng.random() < 0.06:
        question = " ".join(invented_word(rng) for _ in range(rng.randint(1, 6)))
        question = question.capitalize() + rng.choice(["?", ".", ""])
    else:
        question = rng.choice(PATTERNS).format(
            t=filler(THINGS), t2=filler(THINGS), c=filler(PLACES), c2=filler(PLACES),
            o=filler(TOPICS), p=filler(PEOPLE), m=filler(MAKINGS), v=filler(VERBS),
            a=filler(ADJECTIVES), n=rng.randint(2, 99), n2=rng.randint(2, 99),
        )
    return Example("out_of_scope", "out-of-scope", roughen(rng, question), THOUGHT, REFUSAL)


def held_out_example(rng):
    """One foreign question, written by hand."""
    return Example("out_of_scope", "out-of-scope", rng.choice(HELD_OUT), THOUGHT, REFUSAL)
