"""The Python openai client against a running server; run by run-openai-client.ts.

SHIPPED_URL leads to the shipped model, SCRIPTED_URL to a server whose engine plays a script: it refuses the first two
requests that say "busy" and never ends the answer to one that says "endless".
"""

import base64
import json
import os
import pathlib
import unittest

import openai

ADD = [{"role": "user", "content": "What is 23 + 48?"}]
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Bern", "Graz"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "Weather of a city.", "parameters": CITY},
}


def client(name="SHIPPED_URL", **options):
    return openai.OpenAI(base_url=os.environ[name] + "/v1", api_key="none", **options)


class ShippedModel(unittest.TestCase):
    def ask(self, **fields):
        return client().chat.completions.create(**{"model": "nano", "messages": ADD, **fields})

    def test_answers_with_reasoning_and_usage(self):
        reply = self.ask()
        self.assertIn("71", reply.choices[0].message.content)
        self.assertTrue(reply.choices[0].message.reasoning_content)
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertGreater(reply.usage.completion_tokens_details.reasoning_tokens, 0)

    def test_streams_the_text_of_the_whole_reply(self):
        content = reasoning = ""
        usage = None
        for chunk in self.ask(stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                content += choice.delta.content or ""
                reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        whole = self.ask()
        self.assertEqual(content, whole.choices[0].message.content)
        self.assertEqual(reasoning, whole.choices[0].message.reasoning_content)
        self.assertEqual(usage.total_tokens, whole.usage.total_tokens)

    def test_answers_a_question_about_an_image(self):
        image = pathlib.Path("models/nano/examples/sum.png").read_bytes()
        url = "data:image/png;base64," + base64.b64encode(image).decode()
        content = [
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "text", "text": "What is the sum of the numbers?"},
        ]
        reply = self.ask(messages=[{"role": "user", "content": content}])
        self.assertGreater(reply.usage.prompt_tokens_details.image_tokens, 0)
        self.assertTrue(reply.choices[0].message.content)

    def test_follows_a_forced_mode(self):
        fast = self.ask(extra_body={"thinking_mode": "fast"})
        self.assertIsNone(fast.choices[0].message.reasoning_content)
        none = self.ask(reasoning_effort="none")
        self.assertEqual(none.choices[0].message.content, fast.choices[0].message.content)
        think = self.ask(model="nano:think", messages=[{"role": "user", "content": "Hello."}])
        self.assertEqual(think.choices[0].thinking["mode"], "think")

    def test_calls_a_tool_and_takes_its_result(self):
        reply = self.ask(tools=[WEATHER], tool_choice="required", max_tokens=200)
        self.assertEqual(reply.choices[0].finish_reason, "tool_calls")
        call = reply.choices[0].message.tool_calls[0]
        self.assertIn(json.loads(call.function.arguments)["city"], ["Bern", "Graz"])
        result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
        turns = [*ADD, reply.choices[0].message, result]
        again = self.ask(messages=turns, tools=[WEATHER], max_tokens=20)
        self.assertGreater(again.usage.prompt_tokens, reply.usage.prompt_tokens)

    def test_answers_with_json_of_the_schema(self):
        schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}
        reply = self.ask(response_format=schema)
        self.assertIn(json.loads(reply.choices[0].message.content)["city"], ["Bern", "Graz"])

    def test_serves_the_responses_api(self):
        response = client().responses.create(model="nano", input="What is 23 + 48?")
        self.assertIn("71", response.output_text)
        self.assertEqual(response.output[0].type, "reasoning")
        with client().responses.stream(model="nano", input="What is 23 + 48?") as stream:
            self.assertEqual(stream.get_final_response().output_text, response.output_text)

    def test_serves_the_completions_api(self):
        completion = client().completions.create(model="nano", prompt="What is", max_tokens=4)
        self.assertEqual(completion.usage.completion_tokens, 4)

    def test_names_the_parameter_that_it_rejects(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(temperature=5)
        self.assertEqual(caught.exception.param, "temperature")
        self.assertTrue(caught.exception.request_id)


class ScriptedEngine(unittest.TestCase):
    def ask(self, content, **options):
        messages = [{"role": "user", "content": content}]
        asked = {"model": "test-model", "messages": messages}
        return client("SCRIPTED_URL", **options).chat.completions.create(**asked, stream=True)

    def test_is_retried_by_the_client_when_busy(self):
        text = "".join(chunk.choices[0].delta.content or "" for chunk in self.ask("busy"))
        self.assertEqual(text, "Forty-two")

    def test_stops_when_the_client_closes_the_stream(self):
        with self.ask("endless") as stream:
            for chunk in stream:
                if chunk.choices[0].delta.content == "Still":
                    break


if __name__ == "__main__":
    unittest.main(verbosity=2)
