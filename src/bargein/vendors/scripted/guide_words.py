"""What the guide says, as plain text. Written to be spoken: short words, numbers as words, no lists, no markup."""

from __future__ import annotations

GREETING = (
    "Hello, I'm the guide: a small script, not a language model. You can interrupt me at any moment: just talk. "
    "Ask me for a story, ask me to count, or ask how this works."
)

INSTRUCTIONS = (
    "You are a friendly voice companion on a page that shows how a voice agent can be interrupted. You speak aloud: "
    "answer in one to three short spoken sentences, without lists, markup or emoji. You may tell stories, count, "
    "and explain how interrupting works: at the first sound of the user you pause; after a cough or a mm-hmm you go "
    "on at the same place; when the user really talks, your reply is over and you know which words were heard."
)

LIGHTHOUSE = """\
This story is called, the lighthouse that learned to listen.

On a small green island, far from any town, there stood a lighthouse with a very loud voice. It had no lamp. \
Instead, it talked. All night long it called across the water: here is the rock, here is the reef, keep away, keep \
away. And the ships kept away, and no one was ever hurt, and the lighthouse was proud.

But it never stopped talking, and so it never heard an answer. When the fishing boats called good evening, it was \
busy shouting about the reef. When the whales sang in spring, it sang louder. After a hundred years it knew every \
stone under the water, and not one single name.

One foggy night a girl rowed out in a boat no bigger than a bathtub. She had lost her way, and she was frightened. \
She called, please, which way is the harbour? The lighthouse was just saying, here is the rock, when it felt \
something strange. It felt a question. And for the first time in its life, in the middle of a word, it stopped.

The sea grew so quiet that you could hear the fog drip from the railing. Which way is the harbour, the girl asked \
again. East, said the lighthouse, softly. Follow the sound of the bell, and keep clear of the two white stones.

She rowed, and it waited. Whenever she called, it fell silent, and whenever she was silent, it told her the next \
turn. By morning she was home, and the lighthouse knew her name. It was Marta.

Since that night the lighthouse speaks only half the time. The ships are just as safe as before. And in spring, \
when the whales sing, it listens to the very end."""

PAUSES = """\
This story is called, the woman who sold pauses.

In a noisy city, between a drum maker and a school for trumpets, an old woman opened a shop with nothing in it. No \
shelves, no boxes, only a counter and a chair. Over the door she painted: pauses, fresh every day.

People laughed, and then they came in. The first was a baker, who talked from four in the morning. What does a \
pause cost, he asked. One question, said the woman. You ask it, and then you wait until you have heard the whole \
answer. The baker thought that this was cheap. He went home and asked his son, how are you? And then, because he had \
promised, he waited. He had to wait a long time. But what came at the end of it, he said later, was worth more than \
a week of bread.

The next was a judge, who bought a large one, to put between the evidence and the verdict. A violin player took a \
dozen small ones and hid them in her music, where they glittered. Two brothers, who had not been silent together \
since they were boys, bought one to share. They carried it out between them, carefully, like a full glass of water.

In autumn a thief broke in to steal the whole stock. He stood in the dark shop and found nothing. He looked about \
him, and listened, and stood still for longer than he had stood in years. Then he went home, and they say that he \
became a gardener.

The old woman is gone now, and the shop sells umbrellas. But if you stop in front of it, and say nothing at all, you \
will notice that the moment is yours. She always gave the first one away for free."""

STORIES = (LIGHTHOUSE, PAUSES)

HOW_IT_WORKS = """\
Here is how interrupting works, and you can try it while I explain. A good talker falls silent as soon as someone \
else makes a sound, and so do I. At the first hint of your voice, I hold. I pause just where I am, in the middle of \
a word if need be, and nothing is lost.

Then I have a moment to decide. Was it only a cough, or a door, or a friendly mm-hmm? Then I resume at the very \
place where I paused, and you have missed nothing. But if you go on talking, or if you say a word like stop, I cut. \
My sentence is over. Everything that I had prepared is thrown away, and I keep one thing: the last word that you \
really heard.

So I know what you know, and I never believe that I have said more. You can test that. Interrupt me anywhere, and \
then ask, where did you stop? I will quote the words. Or tell me to continue, and I will pick up the thread. Try a \
cough first. Then try a real word."""

IN_SHORT = """\
It goes in two steps. First I hold: at any sound of yours I pause at once, and I keep my place. Then comes the \
verdict. If the sound was a cough or a mm-hmm, I resume where I paused. If you really speak, I cut, and forget \
everything that you have not heard.

Stopping fast and stopping rightly pull against each other, and two steps are how I get both. Now interrupt me, and \
ask where I stopped."""

EXPLANATIONS = (HOW_IT_WORKS, IN_SHORT)

OFFERS = (
    "You can ask me for a story, ask me to count, or ask how this works.",
    "What I can do is tell a story, count as far as you like, or explain how interrupting works.",
    "Try, tell me a story. Or, count to thirty. Or, how does this work?",
)

LEADS = {
    "story": ("All right, a story. ", "Gladly. ", "Here you are. "),
    "explain": ("", "Once more, then. "),
    "again": ("From the beginning, then. ", "Once again, from the start. "),
    "continue": ("I go on. ", "Where was I. ", "Back to where we were. "),
}

STOPPED = ("Okay, I've stopped.", "All right. I am quiet.", "Yes, I have stopped. I am listening.")

# Small talk: a pattern on what the user said, and answers to take turns.
SMALL_TALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        (
            r"\b(robot|real|human|language model|llm|chat ?gpt|artificial|computer|script|ai)\b|"
            r"\b(who|what) are you\b|\byour name\b"
        ),
        (
            "I am the guide. I am a script: a few texts and some rules, and no language model at all.",
            "They call me the guide. There is no model behind me, only prepared words.",
        ),
    ),
    (
        r"\b(hear|understand) me\b|\bare you (still )?there\b",
        ("Yes, I hear you. Go ahead.", "I am here, and I hear you well."),
    ),
    (r"\bhow are you\b|\bhow do you do\b", ("Quite well, thank you. I like being interrupted.", "As well as ever.")),
    (r"\bwhat time\b|\bthe time\b|\bwhat day\b|\bthe date\b", ("I have no clock to look at, I am sorry.",)),
    (r"\bjoke\b", ("Knock knock. Now you would say, who's there. And I would stop at once. That is my only joke.",)),
    (r"\b(thanks|thank you|cheers|well done|great job)\b", ("You are welcome.", "My pleasure.", "With joy.")),
    (r"\b(bye|goodbye|good night|see you|farewell)\b", ("Goodbye. It was nice to be interrupted by you.", "Farewell.")),
    (r"\bsorry\b", ("No need to be sorry. I am made to be interrupted.", "That is quite all right.")),
    (r"\b(hello|hi|hey|good (morning|afternoon|evening))\b", ("Hello there. {offer}", "Hello. {offer}")),
    (r"\b(help|can you do|can i (say|ask|do)|options)\b", ("{offer}",)),
)
