"""The impression: every main finding, the urgent ones first, with causes and advice."""

from __future__ import annotations

import re

from model.synthetic.cases import SIDES
from model.synthetic.grammar.findings import FindingsWriter
from model.synthetic.grammar.hand import Statement, Thing
from model.synthetic.grammar.patterns import close, joined
from model.synthetic.phrases import (
    DEVICE_NAMES,
    INFECTIONS,
    MAY_BE,
    NO_CHANGE,
    NO_DISEASE,
    NORMAL_CHEST,
    OTHER_CONCLUSIONS,
    OTHER_SENTENCES,
    PLACES_BEFORE,
    PRIOR,
    SUGGESTS,
)


class ImpressionWriter(FindingsWriter):
    """Draws the conclusions; without a findings section before it, also what that would have said."""

    def impression(self, whole: bool = False) -> list[Statement]:
        """Every main finding, the urgent ones first; `whole`: no findings section stands before it."""
        case = self.case
        self.shown = 0
        if not case.has_finding:
            return self.nothing(whole)
        statements = [self.concluded(thing) for thing in self.pneumothorax_things()]
        effusions = self.effusion_things(brief=True)
        enlarged = bool(case.cardiomegaly or "cardiomegaly" in case.unplaced)
        if case.edema or "edema" in case.unplaced:
            statements.append(self.failure(effusions))
        elif enlarged and effusions and self.chance(0.4):
            things = [self.cardiomegaly_thing(), *effusions]
            self.random.shuffle(things)
            statements.append(self.together(things))
        else:
            statements += [self.concluded(thing) for thing in effusions]
            if enlarged:
                statements.append(self.concluded(self.cardiomegaly_thing()))
        opacities = self.opacity_conclusion()
        chronic = [self.nodule_conclusion(thing) for thing in self.nodule_things()]
        chronic += [self.concluded(thing) for thing in self.atelectasis_things()]
        statements = opacities + statements if self.chance(0.5) else statements + opacities
        statements += chronic
        statements += self.advice()
        statements += self.other_conclusions(whole)
        if whole or self.chance(0.3):
            statements += self.device_conclusion(whole)
        if whole and self.all_absent("pneumothorax"):
            statements += self.negatives()[-1:]
        elif self.all_absent("pneumothorax") and self.chance(0.08):
            statements.append(Statement(self.no("pneumothorax"), self.denied_keys(["pneumothorax"])))
        if not self.needs_attention() and self.chance(0.4):
            text = self.say(
                "no [acute cardiopulmonary|acute pulmonary|other acute|acute|acute radiographic cardiopulmonary|"
                "evidence"
                " of acute cardiopulmonary] [abnormality|process|disease|finding|findings|abnormalities]"
            )
            statements.insert(
                0 if self.chance(0.3) and "other" not in text else len(statements), Statement(text, ("lungs",))
            )
        if whole and not any("change" in statement.keys for statement in statements):
            statements += self.comparison()
        return statements

    def needs_attention(self) -> bool:
        """Whether a finding is there that nobody would call not acute."""
        case = self.case
        return bool(
            case.edema
            or case.unplaced & {"edema", "opacity", "effusion", "pneumothorax"}
            or self.present("opacities")
            or self.present("effusion")
            or self.present("pneumothorax")
        )

    def nothing(self, whole: bool) -> list[Statement]:
        pattern = NO_DISEASE
        others = self.other_conclusions(whole)
        if self.case.pacemaker is False and not self.case.devices and not self.case.others and self.chance(0.2):
            pattern = NORMAL_CHEST
        text = self.say(pattern)
        statements = [Statement(text, ("lungs",))]
        if self.case.change == "unchanged" and self.chance(0.4):
            text = self.say(NO_CHANGE, prior=self.say(PRIOR))
            statements.insert(self.random.randrange(2), Statement(text, ("change",)))
        elif self.plainly_clear() and self.chance(0.06) and pattern == NO_DISEASE:
            text = self.say("[clear lungs|<the> lungs are clear|no evidence of [pneumonia|acute infiltrate]]")
            statements.insert(self.random.randrange(2), Statement(text, ("lungs",)))
        elif self.chance(0.12):
            text = self.say(
                "no [radiographic |][evidence of |signs of |findings of ||findings to suggest ][pneumonia|heart "
                "failure|"
                "acute infection|active infection|congestive heart failure]"
            )
            statements.append(Statement(text, ("lungs",)))
        if self.case.indication == "Positive tuberculin test" and self.chance(0.6):
            text = self.say(
                "no [evidence of|radiographic evidence of|findings of|findings to suggest|evidence for|cavitary lesion "
                "to "
                "suggest|radiographic findings of] [active tuberculosis|tuberculosis|active tuberculous process|active "
                "pulmonary tuberculosis]"
            )
            statements.append(Statement(text, ("lungs",)))
        statements = [*statements, *others] if self.chance(0.6) else [*others, *statements]
        if whole:
            statements = [*self.heart(), *self.negatives(), *self.rest(), *statements]
        if self.case.devices and (whole or self.chance(0.35)):
            statements += self.device_conclusion(whole)
        return statements

    def device_conclusion(self, whole: bool) -> list[Statement]:
        if not self.case.devices:
            return []
        if whole:
            return self.devices()
        tubes = [name for name in self.case.devices if name not in ("pacemaker", "sternal_wires")]
        if not tubes:
            return []
        if len(tubes) > 1:
            pattern = (
                "[lines and tubes [as described|in satisfactory position|are in satisfactory position|as above]"
                "|support devices [as described|in satisfactory position|as above|are in expected position]]"
            )
            return [Statement(self.say(pattern), tuple(tubes))]
        where = "[in satisfactory position|in good position|in place|as described]"
        return [Statement(self.say(f"{DEVICE_NAMES[tubes[0]]} {where}"), (tubes[0],))]

    def cardiomegaly_thing(self) -> Thing:
        size = (
            ""
            if self.case.cardiomegaly is None
            else "[mild|mild|borderline|slight||]"
            if self.case.cardiomegaly == 1
            else "[marked|severe|moderate to marked|marked|moderate]"
        )
        noun = self.say(f"{size} [cardiomegaly|cardiomegaly|cardiomegaly|cardiac enlargement]")
        return self.changing(Thing(noun, ("cardiomegaly",), mass=True), "cardiomegaly")

    def failure(self, effusions: list[Thing]) -> Statement:
        """Congestion with what usually belongs to it."""
        things = [self.edema_thing(), *effusions]
        enlarged = self.case.cardiomegaly or "cardiomegaly" in self.case.unplaced
        if enlarged:
            things.insert(0, self.cardiomegaly_thing())
        statement = self.together(things)
        if enlarged and self.chance(0.45):
            failure = self.say(
                "[heart failure|congestive heart failure|congestive failure|fluid overload|cardiac decompensation|CHF]"
            )
            return Statement(f"{statement.text}, {self.say(SUGGESTS)} {failure}", statement.keys)
        return statement

    def together(self, things: list[Thing]) -> Statement:
        keys = tuple(dict.fromkeys(key for thing in things for key in thing.keys))
        # What is said of one after a comma would seem to be said of all.
        things = sorted(things, key=lambda thing: "," in thing.bare)
        if len(things) == 2 and "," not in things[0].bare and self.chance(0.5):
            return Statement(close(f"{things[0].bare} with {things[1].bare}"), keys)
        parts = [thing.bare for thing in things]
        if any("," in part for part in parts[:-1]):
            return Statement(close("; ".join(parts)), keys)
        return Statement(close(joined(parts, "and")), keys)

    def concluded(self, thing: Thing) -> Statement:
        if self.chance(0.12):
            return self.stated(thing)
        faint = thing.noun.startswith(("small", "trace", "minimal")) and "effusion" in thing.noun
        if faint and not thing.plural and "change" not in thing.keys and self.chance(0.06):
            return Statement(close(f"{thing.with_article} cannot be excluded"), thing.keys)
        return Statement(close(thing.bare), thing.keys)

    def opacity_conclusion(self) -> list[Statement]:
        disease = self.say(INFECTIONS)
        suggests = self.say(SUGGESTS)
        if self.case.unplaced_opacity:
            disease = self.say("[pneumonia|pneumonia|infection|an infectious process|bronchopneumonia]")
            pattern = (
                "[findings [consistent with|suggestive of|concerning for|suspicious for|compatible with] "
                "<disease>|[airspace disease|pulmonary opacities|lung opacities|patchy infiltrates], <suggests> "
                "<disease>"
                "|pneumonia|[likely|probable|suspected] pneumonia|pulmonary infection is suspected|findings may "
                "represent"
                " <disease>|findings are [consistent with|suggestive of|concerning for|compatible with] <disease>]"
            )
            return [Statement(self.say(pattern, suggests=suggests, disease=disease), ("opacity",))]
        found = [(side, opacity) for side, lung in self.lungs() for opacity in lung.opacities or ()]
        if not found:
            return []
        sides = {side for side, _ in found}
        keys = tuple(f"opacity_{side}" for side in SIDES if side in sides)
        if len(found) > 1 and self.chance(0.6):
            extent = "bilateral" if len(sides) == 2 else f"multifocal {found[0][0]}"
            if len(sides) == 2 and self.chance(0.3):
                extent = "multifocal bilateral"
            noun = self.say("[airspace opacities|opacities|airspace disease|pulmonary opacities|infiltrates]")
            if len(sides) == 1 and noun == "pulmonary opacities":
                noun = "lung opacities"
            thing = Thing(f"{extent} {noun}", keys, plural=noun != "airspace disease", mass=noun == "airspace disease")
            thing = self.changing(thing, "opacity")
            cause = ""
            if "," not in thing.bare and self.chance(0.75):
                cause = (
                    f", {suggests} {disease}" if thing.mass or self.chance(0.8) else f" {self.say(MAY_BE)} {disease}"
                )
            return [Statement(close(thing.bare + cause), thing.keys)]
        statements = []
        for side, opacity in found:
            thing = self.opacity_thing(opacity, side)
            text = close(thing.bare)
            keys = thing.keys
            if opacity.severity > 1 and "change" not in keys and self.chance(0.1):
                place = self.say(PLACES_BEFORE[opacity.zone, side])
                text = self.say("[|probable |] <place> [pneumonia|pneumonia|infiltrate]", place=place)
            elif "," not in text and self.chance(0.1):
                text = f"{text} {self.say(MAY_BE).replace('are', 'is')} {disease}"
            elif "," not in text and self.chance(0.65):
                text = f"{text}, {self.say(SUGGESTS)} {disease}"
            elif "," not in text and opacity.severity == 1 and self.chance(0.3):
                text += self.say(
                    ", [early |atypical |]pneumonia [cannot be excluded|is not excluded|is a consideration|would be a "
                    "consideration]"
                )
            statements.append(Statement(text, keys))
        return statements

    def nodule_conclusion(self, thing: Thing) -> Statement:
        text = thing.bare
        if "," not in text and self.chance(0.25):
            mass = re.search(r"\bmass\b", thing.noun) is not None
            text += self.say(
                ", [concerning for malignancy|suspicious for malignancy|worrisome for neoplasm|concerning for "
                "metastatic disease|for which further "
                "evaluation is recommended]"
                if mass
                else ", [indeterminate|which is indeterminate|for which further evaluation is recommended|nonspecific|"
                "of uncertain significance]"
            )
        return Statement(close(text), thing.keys)

    def advice(self) -> list[Statement]:
        if (self.present("nodules") or self.case.unplaced & {"nodule", "mass"}) and self.chance(0.5):
            pattern = (
                "[[CT|chest CT|CT of the chest|dedicated chest CT|CT scan of the chest|contrast-enhanced chest CT] is "
                "[recommended|suggested|advised] [for further evaluation|for further characterization|to further "
                "evaluate|if clinically indicated|]|recommend [chest CT|CT of the chest|CT scan] [for further "
                "evaluation|]|[consider|recommend] [further evaluation with CT|CT of the chest for further evaluation]|"
                "comparison with [prior studies|previous films|prior exams] would be helpful|further evaluation with "
                "[CT|chest CT] [may be helpful|is recommended|could be obtained|could be performed]|recommend CT chest "
                "with contrast to further evaluate]"
            )
            return [Statement(self.say(pattern), ("advice",))]
        if self.case.edema == 3 and self.chance(0.15):
            pattern = (
                "[superimposed [pneumonia|infection] [cannot be excluded|is not excluded|would be difficult to "
                "exclude]|"
                "cannot exclude superimposed [pneumonia|infection]]"
            )
            return [Statement(self.say(pattern), ("advice",))]
        if (self.present("opacities") or self.case.unplaced_opacity) and self.chance(0.3):
            pattern = (
                "[the [airspace disease|opacity|pneumonia] [could|should] be followed to resolution|"
                "[follow-up|followup] [radiographs are|radiograph is|imaging is|chest x-ray is] [recommended|"
                "suggested] "
                "[to document resolution|to ensure resolution|after treatment|after appropriate treatment|following "
                "treatment|to document clearing|in 4 to 6 weeks|]|[recommend|consider] [follow-up|followup] "
                "[radiograph|radiographs|chest radiograph|examination|study|] to [ensure|document|confirm] [resolution|"
                "clearing|complete resolution]|[clinical correlation|correlation with clinical history] is "
                "[recommended|"
                "suggested|advised]|[correlate clinically|recommend clinical correlation|please correlate clinically|"
                "clinical correlation recommended]]"
            )
            return [Statement(self.say(pattern), ("advice",))]
        if self.present("pneumothorax") and self.chance(0.2):
            pattern = "[follow-up radiograph is|short-interval follow-up is|followup chest x-ray is] recommended"
            return [Statement(self.say(pattern), ("advice",))]
        return []

    def other_conclusions(self, whole: bool) -> list[Statement]:
        """What no picture shows, where it is worth a conclusion or nothing else tells it."""
        if whole:
            return [self.other(other, OTHER_SENTENCES) for other in self.case.others]
        chosen = [
            other
            for other in self.case.others
            if (other.name in OTHER_CONCLUSIONS or f"{other.name}_unsided" in OTHER_CONCLUSIONS) and self.chance(0.3)
        ]
        return [
            self.other(other, OTHER_CONCLUSIONS)
            for other in chosen
            if other.side
            or f"{other.name}_unsided" in OTHER_CONCLUSIONS
            or "<side>" not in OTHER_CONCLUSIONS[other.name]
        ]
