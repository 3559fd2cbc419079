"""The words of the lesson: a title, a sentence, a question and a button for each step."""

from typing import Any

STEPS: tuple[dict[str, str], ...] = (
    {
        "title": "A stack of maps",
        "sentence": "The network turns a picture into a stack of maps, called channels. Each one "
        "lights up where it sees something it knows.",
        "question": "Does each channel look at something of its own?",
        "button": "Show me channels that agree",
        "undo": "Back to the strongest",
    },
    {
        "title": "Finding parts",
        "sentence": "Non-negative matrix factorization rebuilds the whole stack from a few parts: "
        "where each part is, times what it is.",
        "question": "How many steps until the parts are found?",
        "button": "Show me when it is done",
        "undo": "Back to the start",
    },
    {
        "title": "Change k",
        "sentence": "You choose how many parts there are. One more part means that a region "
        "splits, and sometimes that two others merge.",
        "question": "Which part splits when there is one more?",
        "button": "Show me the split",
        "undo": "Back to before",
    },
    {
        "title": "One descriptor",
        "sentence": "What a part is, is a list of numbers. Brought to one length, centred, weighed "
        "and added up, the parts become one list that describes the picture.",
        "question": "Why is what all pictures share taken away?",
        "button": "Show me with and without",
        "undo": "Hide the comparison",
    },
    {
        "title": "Why this match",
        "sentence": "A score is a sum. Each pair of parts, one from each picture, adds its share, "
        "and the shares add up to the score exactly.",
        "question": "Which pair adds the most, and where is it?",
        "button": "Show me the pair",
        "undo": "Show all parts",
    },
    {
        "title": "Switch a part off",
        "sentence": "Because the score is a sum, a part can be left out of it. Every score "
        "changes, and the results find their new order at once.",
        "question": "Which part keeps the first result first?",
        "button": "Show me by switching it off",
        "undo": "Switch all on again",
    },
    {
        "title": "When it fails",
        "sentence": "A number is not the truth. Here the network finds the wrong thing, is sure of "
        "a wrong name, and gives a reason that does not hold.",
        "question": "",  # each example has its own
        "button": "Show me",
        "undo": "Hide the answer",
    },
)


def step_facts() -> list[dict[str, Any]]:
    """The steps in order, as the page needs them."""
    return [dict(step) for step in STEPS]
