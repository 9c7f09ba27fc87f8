"""The smallest agent: no key, no network. Its LLM is a script that says so.

pip install 'bargein[embedded]'
python examples/hello.py
"""

from bargein import Agent, serve
from bargein.vendors import local, scripted

agent = Agent(
    stt=local.Moonshine(),
    llm=scripted.Guide(),
    tts=local.Espeak(),
    greeting="Good evening, how may I help?",
    scripted=True,
)

if __name__ == "__main__":
    serve(agent)
