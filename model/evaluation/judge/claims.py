"""The final claim of an answer: the only part of it that a judge sees.

Answers differ in how much they say beside the answer: thoughts, courtesies, warnings. A judge that sees all of it takes
length for knowledge. The rule, in this order:

1. What stands between `<think>` marks, and the marks of Markdown, fall away; line breaks become spaces.
2. Where the answer announces its end ('Final answer:', 'In conclusion,', 'The answer is'), the claim is all that
   follows the last such announcement, to the very end.
3. Sentences that claim nothing about the image ('Please consult a radiologist.') fall away, and so do openings such as
   'Based on the image,'. Where nothing would be left, they stay.
4. Of more than CLAIM_WORDS words the last sentences stay that are together no longer.
5. A 'yes' or 'no' with which the answer began stays in front where 2 to 4 took it away: who says yes and ends with no
   has said both.

Nothing is reworded: hedges, sides and further claims are for the judge. This module knows nothing of judges.
"""

from __future__ import annotations

import re
import unicodedata

CLAIM_WORDS = 80

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
# A thought whose beginning the chat template has put into the prompt.
_THOUGHT_END = re.compile(r"^.*</(think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(r"\*\*|__|`+|^\s{0,3}#{1,6}\s+|^\s*[-*•]\s+|\\boxed\{([^{}]*)\}", re.MULTILINE)
_ANNOUNCED = re.compile(
    r"\b(?:(?:my |the )?(?:final|short|correct) answer(?: is)?\s*[:,]?|(?:the |my )?answer(?: is\b\s*:?|\s*:)"
    r"|(?:in (?:conclusion|summary)|to (?:conclude|summari[sz]e)|conclusion)\s*[,:])\s*",
    re.IGNORECASE,
)
# A full stop within a number ('1.2 cm') ends nothing.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
# Each takes the sentence whole: one that also says something about the image stays.
_NOTHING_CLAIMED = re.compile(
    r"""^(?:
    please\ (?:consult|see\ a|seek|contact|let|feel|ask)\b.*
    | (?:always\ |you\ should\ )?(?:consult|seek)\b.*
    | i\ hope\b.* | let\ me\ know\b.* | thank(?:s|\ you)\b[^,:;]* | (?:great|good)\ question\W*
    | (?:note\ that\ |please\ note\ that\ )?(?:i\ am|i'm)\ (?:an\ ai|not\ a)\b[^,:;]*
    | i\ (?:cannot|can't|can\ not)\ (?:provide|give|offer)\ (?:a\ |any\ )?(?:medical|diagnos)[^,:;]*
    | this\ (?:is\ not|does\ not\ constitute|should\ not\ be\ taken\ as)
      \ (?:a\ )?(?:medical|diagnostic|professional)\b.*
    | this\ (?:information|assessment|answer|response|interpretation)\ (?:is\ (?:for|based)|should\ (?:not|only|be))\b.*
    | a\ (?:qualified\ |board-certified\ )?(?:radiologist|physician|doctor|professional)\ should\b.*
    | (?:further\ )?clinical\ correlation\ (?:is\ )?(?:recommended|advised|suggested)\W*
    | (?:i|we)\ (?:have\ |will\ )?(?:carefully\ |closely\ )?
      (?:look|review|examin|consider|stud)(?:ed|y|ied|e)?\ (?:at\ )?(?:the|this)\b(?:(?!\ and\ |\ that\ )[^,:;])*
    | (?:let\ me|let's)\ (?:look|examine|review|think)\b(?:(?!\ and\ |\ that\ )[^,:;])*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(
    r"""^(?:
    (?:sure|certainly|of\ course|(?:great|good)\ question)\s*[!,.:]\s*
    | as\ an\ ai(?:\ (?:language\ )?(?:model|assistant))?,\s*
    | (?:based\ on|according\ to|looking\ at|judging\ (?:by|from)|after\ reviewing|upon\ review\ of)\ (?:the|this)
      \ (?:(?:provided|given|attached|submitted)\ )?(?:(?:medical|chest|radiographic|radiological)\ )?
      (?:image|picture|radiograph|scan|film|x-ray|study)(?:\ (?:provided|shown|above|carefully|closely))?,\s*
    )+""",
    re.IGNORECASE | re.VERBOSE,
)
_YES_OR_NO = re.compile(r"^\W*(yes|no)\b(?=\s*(?:[.,;:!?\u2013\u2014-]|$))", re.IGNORECASE)


def final_claim(answer: str) -> str:
    """The part of an answer that a judge is shown, on one line; empty where the answer is."""
    plain = _plain(answer)
    claim = _announced(plain)
    claim = _claiming(claim)
    claim = _last_words(claim)
    led, leads = polarity(plain), polarity(claim)
    if led is not None and leads != led and _YES_OR_NO.match(plain):
        claim = f"{'Yes' if led else 'No'}. [...] {claim}"
    return claim


def polarity(text: str) -> bool | None:
    """True where a text begins with a 'yes' that stands by itself, False with such a 'no', else None."""
    begins = _YES_OR_NO.match(text)
    return begins[1].lower() == "yes" if begins else None


def _plain(answer: str) -> str:
    text = unicodedata.normalize("NFKC", answer)
    text = _THOUGHT_END.sub("", _THOUGHT.sub(" ", text))
    text = _MARKS.sub(lambda mark: mark[1] or "", text)
    return " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())


def _announced(text: str) -> str:
    claim = text
    for announced in _ANNOUNCED.finditer(text):
        if after := text[announced.end() :].strip(" .:,"):
            claim = text[announced.end() :] if after else claim
    return claim


def _claiming(text: str) -> str:
    sentences = [_OPENING.sub("", sentence) for sentence in _SENTENCE_END.split(text)]
    kept = [sentence for sentence in sentences if sentence and not _NOTHING_CLAIMED.match(sentence)]
    return " ".join(kept) or text


def _last_words(text: str) -> str:
    if len(text.split()) <= CLAIM_WORDS:
        return text
    kept: list[str] = []
    room = CLAIM_WORDS
    for sentence in reversed(_SENTENCE_END.split(text)):
        room -= len(sentence.split())
        if room < 0:
            break
        kept.insert(0, sentence)
    return " ".join(kept) or " ".join(text.split()[-CLAIM_WORDS:])
