"""What has changed since the prior, said of the main finding or in a sentence by itself."""

from __future__ import annotations

from dataclasses import replace

from model.synthetic.cases import MainFinding, main_finding
from model.synthetic.grammar.hand import Hand, Statement, Thing
from model.synthetic.phrases import CHANGE_AFTER, CHANGE_BEFORE, CHANGE_SENTENCES, NO_CHANGE, PRIOR


class ChangeWriter(Hand):
    """Says once or more how the main finding compares with the prior, where the case has a change."""

    def changes(self, finding: MainFinding, probability: float) -> bool:
        """Whether to say here that this finding has changed, or has not."""
        return self.compared and main_finding(self.case) == finding and self.chance(probability)

    def changing(self, thing: Thing, finding: MainFinding, hedged: float = 0.0) -> Thing:
        """The thing with its change where it is the main finding; else, now and then, with a word of doubt.

        `hedged`: how often doubt is cast on it; only on what is faint.
        """
        change = self.case.change
        if change and self.changes(finding, 0.6):
            before = CHANGE_BEFORE[change].get(finding) or CHANGE_BEFORE[change].get("any", "")
            keys = (*thing.keys, "change")
            if before and self.chance(0.55):
                noun = f"{self.say(before)} {thing.noun}"
                return replace(thing, noun=noun, keys=keys)
            after = self.say(CHANGE_AFTER[change], prior=self.say(PRIOR), larger=self.larger(finding))
            if "," not in thing.tail:
                return replace(thing, tail=f"{thing.tail} , {after}".strip(), keys=keys)
        if hedged and self.chance(hedged):
            return replace(
                thing, noun=f"{self.say('[possible|probable|questionable|suspected|possible]')} {thing.noun}"
            )
        return thing

    def larger(self, finding: MainFinding) -> str:
        grown = self.case.change == "increased"
        if finding in ("edema", "opacity", "atelectasis"):
            return self.say("[increased|worsened|progressed|worse]" if grown else "[decreased|improved|improved]")
        return self.say("[increased|larger|increased in size]" if grown else "[decreased|smaller|decreased in size]")

    def changed_heart(self) -> Statement:
        pattern = {
            "unchanged": "[stable|stable|unchanged|stable mild|persistent] [cardiomegaly|cardiac enlargement]|<the> "
            "[heart|cardiac silhouette] [remains enlarged|is enlarged but stable|is enlarged, unchanged from <prior>]"
            "|stable enlarged cardiac silhouette|<the> heart size is enlarged and stable|cardiomegaly is [stable|"
            "unchanged|unchanged from <prior>]|enlarged heart, stable",
            "increased": "<the> heart has increased in size since <prior>|cardiomegaly, increased [from|since|"
            "compared to] <prior>|increasing cardiomegaly|interval increase in cardiomegaly",
            "decreased": "cardiomegaly, decreased [from|since|compared to] <prior>|<the> heart remains enlarged but "
            "has decreased in size since <prior>|improved cardiomegaly",
        }[self.case.change or "unchanged"]
        if self.case.cardiomegaly != 1:
            pattern = pattern.replace("|stable mild", "")
        return Statement(self.say(f"[{pattern}]", prior=self.say(PRIOR)), ("cardiomegaly", "change"))

    def comparison(self) -> list[Statement]:
        """A sentence on the change by itself."""
        change, finding = self.case.change, main_finding(self.case)
        if change is None or not self.chance(0.5):
            return []
        if finding is None:
            return [Statement(self.say(NO_CHANGE, prior=self.say(PRIOR)), ("change",))]
        name, plural, keys = self.main_name(finding)
        pattern = CHANGE_SENTENCES[change]
        text = self.say(
            pattern,
            name=name,
            be="are" if plural else "is",
            have="have" if plural else "has",
            remain="remain" if plural else "remains",
            prior=self.say(PRIOR),
            larger=self.larger(finding),
        )
        return [Statement(text, (*keys, "change"))]

    def main_name(self, finding: MainFinding) -> tuple[str, bool, tuple[str, ...]]:
        """What to call the main finding when its change is spoken of, whether that is a plural, and its keys."""
        if finding == "cardiomegaly":
            return "the cardiomegaly", False, ("cardiomegaly",)
        if finding == "edema":
            return ("the vascular congestion" if self.case.edema == 1 else "the pulmonary edema"), False, ("edema",)
        field_name = {"opacity": "opacities", "nodule": "nodules"}.get(finding, finding)
        sides = [side for side, _ in self.present(field_name)]
        keys = tuple(f"{finding}_{side}" for side in sides)
        nouns = {
            "effusion": "[effusion|pleural effusion]",
            "opacity": "[opacity|airspace opacity|lung opacity]",
            "nodule": "[nodule|lung nodule]",
            "pneumothorax": "pneumothorax",
            "atelectasis": "[atelectasis|basilar atelectasis]",
        }
        noun = self.say(nouns[finding])
        if finding == "nodule" and any(lung.nodules[0].is_mass for _, lung in self.present("nodules") if lung.nodules):
            noun = "mass" if len(sides) == 1 else "lesion"
        if finding == "opacity" and sum(len(lung.opacities or ()) for _, lung in self.lungs()) > 1:
            ending = "bilateral" if len(sides) == 2 else sides[0]
            return f"the {ending} {noun[:-1]}ies", True, keys
        if len(sides) == 1:
            return f"the {sides[0]} {noun}", False, keys
        if finding in ("atelectasis", "pneumothorax"):
            return f"the bilateral {noun}", False, keys
        return f"the bilateral {noun}s", True, keys
