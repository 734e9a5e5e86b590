"""Reports and questions about pictures that are not frontal chest radiographs.

Such a report commits to nothing. This module knows nothing of pictures and of networks.
"""

from __future__ import annotations

from random import Random

from model.synthetic.grammar.writer import Sentence, WrittenReport

# The question in the wording that the page and evaluations use.
FRONTAL_QUESTION = "Is this a frontal chest radiograph?"
_QUESTIONS = (
    FRONTAL_QUESTION,
    FRONTAL_QUESTION,
    "Is this a chest radiograph?",
    "Is this image a frontal radiograph of the chest?",
    "Does this image show a chest from the front?",
    "Is this a chest x-ray?",
)
# The first is the report that the page recognises.
NOT_FRONTAL = "This image is not a frontal chest radiograph."
_NOT_FRONTAL = (NOT_FRONTAL, NOT_FRONTAL, NOT_FRONTAL, "The image is not a frontal radiograph of the chest.")
_NOTHING_SAID = ("No findings are reported.", "The image cannot be reported as a chest radiograph.", "Not reported.")
_HEADINGS = (
    ("FINDINGS:\n", "\n\nIMPRESSION:\n"),
    ("Findings: ", "\n\nImpression: "),
    ("", "\n\nIMPRESSION:\n"),
    ("", ""),
)


def frontal_question(random: Random) -> str:
    """The question whether a picture is a frontal chest radiograph, mostly in its usual wording."""
    return random.choice(_QUESTIONS)


def write_not_frontal(random: Random) -> WrittenReport:
    """A report of a picture that is no frontal chest radiograph."""
    before, between = random.choice(_HEADINGS[:3] if random.random() < 0.9 else _HEADINGS[3:])
    text, sentences = before, []
    parts = [("findings", random.choice(_NOT_FRONTAL))]
    if between:
        parts.append(("impression", random.choice(_NOTHING_SAID)))
    for number, (section, sentence) in enumerate(parts):
        text += between if number else ""
        sentences.append(Sentence(len(text), len(text) + len(sentence), ("projection",), section))
        text += sentence
    return WrittenReport(text, tuple(sentences))
