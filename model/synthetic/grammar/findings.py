"""The findings section, and the noun phrases of the findings that the impression takes up again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from model.synthetic.cases import SIDES, ZONES, Lung, Opacity, Other, Side
from model.synthetic.grammar.hand import (
    BONE_OTHERS,
    DEVICE_OTHERS,
    LUNG_OTHERS,
    MEDIASTINAL_OTHERS,
    PLEURAL_OTHERS,
    SURGICAL_OTHERS,
    VOLUME_OTHERS,
    Statement,
    Thing,
    opposite,
)
from model.synthetic.grammar.negatives import NegativesWriter
from model.synthetic.phrases import (
    ABDOMEN_NORMAL,
    BONES_NORMAL,
    BONES_NOT_ACUTE,
    DEGREE,
    DEGREE_ADVERB,
    DEVICE_NAMES,
    DEVICE_PLACES,
    EDEMA_SENTENCES,
    EFFUSION_SIZE,
    HEART_ALONE,
    HEART_AND_LUNGS,
    HEART_AND_MEDIASTINUM,
    HEART_AND_VESSELS,
    HEART_STABLE,
    HEART_STABLE_ALONE,
    HERNIA_SIZE,
    INFECTIONS,
    MASS_NOUNS,
    NO_FREE_AIR,
    ON,
    OPACITY_LOOK,
    OPACITY_NOUN,
    OTHER_SENTENCES,
    PLACES,
    PLACES_AFTER,
    PLACES_BEFORE,
    PNEUMOTHORAX_SIZE,
    SUGGESTS,
    VESSELS_NORMAL,
)

# What can only be said of something that was there before.
_AS_BEFORE = re.compile(r"\b(?:stable|unchanged|again|remains?)\b")


class FindingsWriter(NegativesWriter):
    """Heart, lungs, pleura, devices and bones, each where something is known of it."""

    def findings(self) -> list[Statement]:
        heart = self.heart()
        # Only what stands behind another finding is 'also noted'; the lungs stand before the pleura.
        self.shown = 0
        lungs, pleura = [*self.vessels(), *self.parenchyma()], self.pleura()
        negatives = self.negatives()
        self.shown = 0
        devices, bones = self.devices(), self.rest()
        heart += self.others(MEDIASTINAL_OTHERS)
        lungs += self.others(LUNG_OTHERS | VOLUME_OTHERS)
        pleura += self.others(PLEURAL_OTHERS)
        devices += self.others(DEVICE_OTHERS)
        bones += self.others(BONE_OTHERS | SURGICAL_OTHERS)
        blocks: list[list[Statement]]
        if self.chance(0.5):
            blocks = [heart, lungs, pleura, negatives]
        elif self.chance(0.6):
            blocks = [lungs, pleura, negatives, heart]
        else:
            blocks = [lungs, heart, pleura, negatives]
        blocks = [devices, *blocks, bones] if self.chance(0.5) else [*blocks, devices, bones]
        before = [*self.view(), *self.others(frozenset(("limited_study",)))]
        statements = [statement for block in (before, *blocks) for statement in block]
        if not any("change" in statement.keys for statement in statements):
            statements += self.comparison()
        return statements

    def view(self) -> list[Statement]:
        """What was taken, as some say it before their findings."""
        if not self.compared and not self.has_preamble and self.chance(0.015):
            text = self.say("no [prior studies|prior films] [are |]available for comparison")
            return [Statement(text, ("comparison",))]
        if self.has_preamble or not self.chance(0.12):
            return []
        view = self.case.view
        if self.chance(0.5) and view != "AP":
            pattern = (
                "[<two> [views|radiographs] of the chest [were obtained|are submitted|]|[the|this] examination "
                "consists "
                "of <two> radiographs of the chest|<two> chest [radiographs|examination was obtained]|<two> "
                "views of the chest[ show <shown>| demonstrate <shown>|]|two images submitted|two views of the chest "
                "[were obtained|]]"
            )
            two = self.say("[<view>|<view>|frontal] and lateral", view=view or "frontal")
            shown = "no acute abnormality" if not self.case.has_finding else ""
            text = self.say(pattern, two=two, shown=shown)
            if text.endswith((" show", " demonstrate")):
                text = text.rsplit(" ", 1)[0]
            return [Statement(text, ("view", "other_lateral", *(("lungs",) if shown and shown in text else ())))]
        if self.case.age is not None and self.chance(0.2):
            age = f"{self.case.age}-year-old"
            text = self.say("frontal view of the chest of a~ <age> <patient>", age=age, patient=self.patient("patient"))
            return [Statement(text, ("view",))]
        pattern = (
            "[[single|] [frontal|<view>] [view|radiograph] of the chest [was obtained|]|one <view> view of the "
            "chest|<view> chest radiograph [was obtained|]|single <view> image of the chest]"
        )
        return [Statement(self.say(pattern, view=view or "frontal"), ("view",))]

    def but(self) -> str:
        """What may follow, in the same sentence, on how far the lungs are expanded."""
        others = self.names & (LUNG_OTHERS - {"hyperinflation", "emphysema"})
        if self.lungs_clear() and not others:
            return self.say("[|||but clear|but otherwise clear|without focal consolidation|without focal infiltrate]")
        return ""

    def heart(self) -> list[Statement]:
        grade = self.case.cardiomegaly
        if "cardiomegaly" in self.case.unplaced:
            return [self.enlarged_heart()]
        if grade is None:
            if self.case.left.effusion == 3 and self.chance(0.5):
                hidden = "[difficult to assess|not well assessed|obscured by the effusion]"
                return [Statement(self.say(f"[the heart size is|cardiac size is] {hidden}"), ("cardiomegaly",))]
            return []
        plain = not self.names & MEDIASTINAL_OTHERS
        if grade:
            statements = [self.cardiomegaly(grade)]
            if plain and self.chance(0.35):
                statements.append(self.mediastinum())
            return statements
        if self.case.change == "unchanged" and self.chance(0.3):
            text = self.say(HEART_STABLE if plain else HEART_STABLE_ALONE)
            keys = ("cardiomegaly", "mediastinum", "change") if plain else ("cardiomegaly", "change")
            return [Statement(text, keys)]
        if plain and self.case.edema == 0 and self.chance(0.14):
            text = self.say(HEART_AND_VESSELS, normal=self.normal())
            self.vessels_said = True
            return [Statement(text, ("cardiomegaly", "mediastinum", "edema"))]
        if plain and self.chance(0.55):
            return [Statement(self.say(HEART_AND_MEDIASTINUM, normal=self.normal()), ("cardiomegaly", "mediastinum"))]
        if self.plainly_clear() and self.chance(0.06):
            text = self.say(HEART_AND_LUNGS, normal=self.normal())
            return [Statement(text, ("cardiomegaly", "lungs"))]
        statements = [Statement(self.say(HEART_ALONE, normal=self.normal()), ("cardiomegaly",))]
        if plain and self.chance(0.55):
            statements.append(self.mediastinum())
        return statements

    def normal(self) -> str:
        return self.say(
            "[normal|normal|normal|unremarkable|unremarkable|within normal limits|within normal limits|within normal "
            "limits|grossly normal|grossly unremarkable|within limits of normal|within the limits of normal|normal in "
            "appearance|unremarkable in appearance|within normal limits in appearance|within normal limits]"
        )

    def cardiomegaly(self, grade: int) -> Statement:
        if self.changes("cardiomegaly", 0.5):
            return self.changed_heart()
        size = "[mild|mild|mild|slight|borderline|borderline to mild|minimal]"
        adverb = "[mildly|mildly|mildly|slightly|borderline|minimally]"
        if grade > 1:
            size = "[marked|moderate to marked|severe|pronounced|marked|moderate]"
            adverb = "[markedly|markedly|severely|significantly|moderately]"
        pattern = (
            "[<the> heart <is> <adverb> enlarged|<the> [cardiac|cardiomediastinal|heart] silhouette <is> <adverb> "
            "enlarged|[there is |]<size> [cardiomegaly|cardiomegaly|cardiac enlargement|enlargement of the cardiac "
            "silhouette|enlargement of the heart]|<size> cardiomegaly is [present|noted|seen]|<the> heart "
            "size is <adverb> [enlarged|increased]|<adverb> enlarged [cardiac silhouette|heart|cardiomediastinal "
            "silhouette]|<size> cardiomegaly without [pulmonary edema|overt pulmonary edema|heart failure|pulmonary "
            "vascular congestion]|<the> heart size <is> <adverb> enlarged]"
        )
        if self.case.edema != 0:
            pattern = pattern.replace(
                "|<size> cardiomegaly without [pulmonary edema|overt pulmonary edema|heart failure|pulmonary "
                "vascular congestion]",
                "",
            )
        return Statement(self.say(pattern, adverb=self.say(adverb), size=self.say(size)), ("cardiomegaly",))

    def enlarged_heart(self) -> Statement:
        """An enlarged heart of which nobody says how large it is."""
        pattern = (
            "[<the> heart <is> enlarged|<the> [cardiac|cardiomediastinal|heart] silhouette <is> enlarged|[there is "
            "|]cardiomegaly|cardiomegaly is [present|noted|seen]|<the> heart size is [enlarged|increased]|enlarged "
            "[cardiac silhouette|heart|cardiomediastinal silhouette]|[there is |]enlargement of the [heart|cardiac "
            "silhouette]]"
        )
        return Statement(self.say(pattern), ("cardiomegaly",))

    def mediastinum(self) -> Statement:
        if self.case.change == "unchanged" and self.chance(0.25):
            text = self.say(
                "[<the> mediastin[um is|al contours are|al contour is] [stable|unchanged]|stable mediastinal [contour|"
                "contours|silhouette]|stable mediastinal and hilar contours]"
            )
            return Statement(text, ("mediastinum", "change"))
        pattern = (
            "[<the> mediastinum <is> <normal>|<the> mediastinum is [not widened|midline]|<the> mediastinal "
            "[contours <are>|contour <is>|structures <are>|silhouette <is>] <normal>|<the> mediastinal and hilar "
            "[contours|structures] <are> <normal>|<the> hilar and mediastinal contours <are> <normal>|<the> trachea is "
            "midline|<the> trachea and central airways <are> <normal>|no mediastinal [widening|shift]|[normal|"
            "unremarkable] mediastinal [contour|contours|silhouette]|normal mediastinum|<the> mediastinum is "
            "unremarkable|<the> aorta <is> <normal>|<the> thoracic aorta <is> <normal>|<the> hilar structures <are> "
            "<normal>|<the> aortic contour <is> <normal>|<the> trachea and mediastinum <are> <normal>|<the> hilar "
            "contours <are> <normal>|no [mediastinal|hilar|hilar or mediastinal] [adenopathy|lymphadenopathy]|<the> "
            "mediastinum <is> normal in size and contour|<the> mediastinal contours are normal|<the> trachea is "
            "midline "
            "and [the |]central airways are [clear|patent]]"
        )
        return Statement(self.say(pattern, normal=self.normal()), ("mediastinum",))

    def vessels(self) -> list[Statement]:
        grade = self.case.edema
        if "edema" in self.case.unplaced:
            return [self.stated(self.edema_thing())]
        if grade is None or (grade == 0 and (self.vessels_said or not self.chance(0.3))):
            return []
        if grade == 0:
            return [Statement(self.say(VESSELS_NORMAL, normal=self.normal()), ("edema",))]
        if self.chance(0.4) or self.changes("edema", 0.6):
            return [self.stated(self.edema_thing())]
        return [Statement(self.say(EDEMA_SENTENCES[grade], suggests=self.say(SUGGESTS)), ("edema",))]

    def edema_thing(self) -> Thing:
        if "edema" in self.case.unplaced:
            return Thing(self.say("[pulmonary edema|pulmonary edema|edema]"), ("edema",), mass=True)
        pattern = {
            1: "[mild |mild |minimal |][pulmonary vascular congestion|vascular congestion|central vascular congestion|"
            "pulmonary venous congestion|central pulmonary vascular congestion|pulmonary vascular engorgement]",
            2: "[mild |mild to moderate |][interstitial edema|interstitial pulmonary edema]",
            3: "[moderate|severe|marked|frank] [pulmonary edema|alveolar pulmonary edema|alveolar edema]",
        }[self.case.edema or 1]
        return self.changing(Thing(self.say(pattern), ("edema",), mass=True), "edema")

    def parenchyma(self) -> list[Statement]:
        if self.lungs_clear():
            return []
        statements = self.opacities()
        if len(statements) == 1 and "," not in statements[0].text and self.chance(0.12):
            pattern = (
                "[this|this finding] [may represent|could represent|is concerning for|is suspicious for|is consistent "
                "with"
                "|may reflect|may be due to|likely represents|is most consistent with|appears to represent|is "
                "compatible"
                " with|would be compatible with|most likely represents] <disease>"
            )
            keys = tuple(key for key in statements[0].keys if key != "change")
            statements.append(Statement(self.say(pattern, disease=self.say(INFECTIONS)), keys))
        statements += [self.stated(thing) for thing in (*self.nodule_things(), *self.atelectasis_things())]
        if self.case.unplaced_opacity:
            statements.append(self.unplaced())
        focal = bool(statements) and all(lung.opacities is not None for _, lung in self.lungs())
        clear = [side for side, lung in self.lungs() if self.case.edema == 0 and lung == Lung()]
        plain = not self.names & LUNG_OTHERS
        if len(clear) == 1 and plain and self.chance(0.3):
            pattern = (
                "[<the> <side> lung is [clear|clear|well aerated and clear|unremarkable|grossly clear]|clear <side> "
                "lung]"
            )
            keys = tuple(f"{finding}_{clear[0]}" for finding in ("opacity", "nodule", "atelectasis"))
            statements.append(Statement(self.inflated(self.say(pattern, side=clear[0])), keys))
        elif focal and plain and self.case.edema == 0 and self.chance(0.4):
            pattern = (
                "[<the> lungs are otherwise [grossly |]clear|otherwise[,|] <the> lungs are [clear|grossly clear]|the "
                "[remaining lungs are|remainder of the lungs is] clear|no other focal [airspace |]opacity|lungs "
                "otherwise clear|no focal consolidation elsewhere|the lungs otherwise appear clear]"
            )
            if not self.no_opacity():
                pattern = pattern.replace("|no focal consolidation elsewhere", "")
            statements.append(Statement(self.say(pattern), ("lungs",)))
        return statements

    def opacities(self) -> list[Statement]:
        """Each opacity with its place; some in one sentence."""
        by_side = {side: list(lung.opacities or ()) for side, lung in self.lungs()}
        statements: list[Statement] = []
        for zone in ZONES:
            pair = [o for side in SIDES for o in by_side[side] if o.zone == zone]
            if len(pair) == 2 and pair[0].severity == pair[1].severity and self.chance(0.6):
                statements.append(self.stated(self.bilateral_opacity(pair[0])))
                for side in SIDES:
                    by_side[side] = [o for o in by_side[side] if o.zone != zone]
        for side in SIDES:
            found = by_side[side]
            if len(found) == 2 and found[0].severity == found[1].severity and self.chance(0.6):
                statements.append(self.stated(self.double_opacity(found, side)))
            else:
                statements += [self.stated(self.opacity_thing(opacity, side)) for opacity in found]
        return statements

    def opacity_thing(self, opacity: Opacity, side: Side) -> Thing:
        look = self.say(OPACITY_LOOK[opacity.severity])
        noun = self.say(OPACITY_NOUN[opacity.severity])
        mass = noun.endswith(MASS_NOUNS)
        keys = (f"opacity_{side}",)
        cause = self.cause(0.2)
        alone = sum(len(lung.opacities or ()) for _, lung in self.lungs()) == 1
        hedged = 0.15 if opacity.severity == 1 and alone else 0.0
        if self.chance(0.5):
            place = self.say(PLACES_BEFORE[opacity.zone, side])
            noun = noun.removeprefix("lung ")
            thing = Thing(" ".join(f"{look} {place} {noun}".split()), keys, mass=mass, tail=cause)
        else:
            place = self.say(PLACES_AFTER[opacity.zone, side], part=self.part)
            thing = Thing(f"{look} {noun}".strip(), keys, mass=mass, tail=f"{place}{cause}")
        return self.changing(thing, "opacity", hedged)

    def bilateral_opacity(self, opacity: Opacity) -> Thing:
        look = self.say(OPACITY_LOOK[opacity.severity])
        noun = self.say(
            "[airspace opacities|opacities|airspace opacities|consolidations|infiltrates|air space opacities|airspace "
            "consolidations]"
            if opacity.severity > 1
            else "[opacities|opacities|infiltrates|airspace opacities]"
        )
        keys = ("opacity_right", "opacity_left")
        places = {
            "upper": "[bilateral upper zone|bilateral upper lobe|bilateral upper lung]",
            "mid": "[bilateral mid zone|bilateral midlung|bilateral mid lung]",
            "lower": "[bibasilar|bibasilar|bilateral lower zone|bilateral lower lobe|bibasal|bilateral basilar]",
        }
        noun = f"{look} {self.say(places[opacity.zone])} {noun}".strip()
        return self.changing(Thing(noun, keys, plural=True, tail=self.cause(0.2)), "opacity")

    def double_opacity(self, found: list[Opacity], side: Side) -> Thing:
        look = self.say(OPACITY_LOOK[found[0].severity])
        noun = self.say("[airspace opacities|opacities|infiltrates|airspace consolidations]")
        zones = f"{found[0].zone} and {found[1].zone}"
        place = self.say("in the <side> <zones> [zones|lung zones|lung|lobes]", side=side, zones=zones)
        if "mid" in zones.split():
            place = place.replace("lobes", "lung")
        thing = Thing(f"{look} {noun}".strip(), (f"opacity_{side}",), plural=True, tail=place + self.cause(0.2))
        return self.changing(thing, "opacity")

    def cause(self, probability: float) -> str:
        if not self.chance(probability):
            return ""
        return self.say(f", {SUGGESTS} {INFECTIONS}")

    def unplaced(self) -> Statement:
        noun = self.say(
            "[patchy|focal|hazy|streaky|] [airspace opacity|pulmonary opacity|airspace disease|parenchymal opacity|"
            "infiltrate|lung opacity|perihilar opacity|consolidation]"
        )
        thing = Thing(
            noun.strip(), ("opacity",), mass=noun.endswith(("disease", "consolidation")), tail=self.cause(0.5)
        )
        if self.chance(0.4):
            plural = self.say(
                "[pulmonary opacities|airspace opacities|patchy opacities|lung opacities|patchy infiltrates|perihilar "
                "opacities]"
            )
            thing = Thing(plural, ("opacity",), plural=True, tail=self.cause(0.5))
        return self.stated(thing)

    def nodule_things(self) -> list[Thing]:
        present = self.present("nodules")
        things = []
        if "mass" in self.case.unplaced:
            things.append(Thing(self.say("[mass|lung mass|pulmonary mass]"), ("mass",)))
        elif "nodule" in self.case.unplaced:
            noun = "[pulmonary nodule|lung nodule|nodule|nodular opacity|nodular density]"
            things.append(Thing(self.say(noun), ("nodule",)))
        for side, lung in present:
            nodule = (lung.nodules or ())[0]
            judged = "small" if nodule.diameter < 15 else "large" if nodule.diameter > 24 else ""
            if nodule.is_mass:
                judged = "large" if nodule.diameter > 50 else ""
            size = self.say(
                "[<cm>|<cm>|approximately <cm>|<judged>|<judged>|]"
                if nodule.is_mass
                else "[<mm>|<mm>|approximately <mm>|<cm>|roughly <cm>|<judged>|<judged>|]",
                mm=f"{nodule.diameter} mm",
                cm=f"{nodule.diameter / 10:.1f} cm",
                judged=judged,
            )
            shape = "[round|rounded|well-defined|noncalcified|well-circumscribed||||]"
            if nodule.is_mass:
                shape = (
                    "[round|rounded|well-defined|well-circumscribed||||]"
                    if self.smooth
                    else "[lobulated|irregular||||]"
                )
            look = self.say(shape if len(present) > 1 else shape.replace("||||", "|solitary|||"))
            noun = self.say(
                "[mass|mass|lung mass|pulmonary mass]"
                if nodule.is_mass
                else "[nodule|nodule|nodule|pulmonary nodule|nodular opacity|nodular density|lung nodule]"
            )
            keys = (f"nodule_{side}",)
            measured = ""
            if not size and self.chance(0.5):
                number = f"{nodule.diameter / 10:.1f} cm" if nodule.diameter > 15 else f"{nodule.diameter} mm"
                measured = self.say(f"measuring [approximately |about |]{number} [in diameter|]")
            if self.chance(0.4):
                place = self.say(PLACES_BEFORE[nodule.zone, side])
                noun = noun.removeprefix("lung ").removeprefix("pulmonary ")
                thing = Thing(" ".join(f"{size} {look} {place} {noun}".split()), keys, tail=measured)
            else:
                place = self.say(PLACES_AFTER[nodule.zone, side], part=self.part)
                thing = Thing(" ".join(f"{size} {look} {noun}".split()), keys, tail=f"{place} {measured}".strip())
            things.append(self.changing(thing, "nodule", 0.1 if nodule.diameter < 12 and len(present) == 1 else 0.0))
        return things

    def atelectasis_things(self) -> list[Thing]:
        sides = [side for side, _ in self.present("atelectasis")]
        if "atelectasis" in self.case.unplaced:
            return [Thing("atelectasis", ("atelectasis",), mass=True)]
        if not sides:
            return []
        keys = tuple(f"atelectasis_{side}" for side in sides)
        place = (
            self.say("[bibasilar|bibasilar|bibasal|bilateral basilar|bilateral lower lobe|basilar bilateral]")
            if len(sides) == 2
            else self.say(f"{sides[0]} [basilar|basilar|basal|lung base|lower lobe|base]")
        )
        place = place.replace("basilar bilateral", "bibasilar")
        look = self.say(
            "[mild|mild|minimal|linear|bandlike|subsegmental|subsegmental|platelike|discoid|streaky|minor|minimal "
            "subsegmental|mild streaky|]"
        )
        doubt = self.say("[||||||or scarring|versus scarring|and scarring|or scar]")
        if doubt and "scarring" in self.names:
            doubt = ""
        if doubt == "and scarring":
            doubt = ""
        if self.chance(0.2):
            where = "[both lung bases|both bases]" if len(sides) == 2 else f"the {sides[0]} base"
            prep = self.say("[at|in]")
            noun = f"{look} atelectasis {doubt}".strip()
            tail = self.say(f"{prep} {where}")
            return [self.changing(Thing(noun, keys, mass=True, tail=tail), "atelectasis", 0.08)]
        if self.chance(0.3):
            noun = self.say(f"[streaky|linear|bandlike|mild streaky|minimal streaky] {place} opacities")
            tail = self.say(
                ", [consistent with|likely|compatible with|suggestive of|most likely representing|most likely|which may"
                " represent|may represent|representing|likely representing|most suggestive of|most compatible with] "
                "[atelectasis|subsegmental atelectasis|<doubted>]",
                doubted=f"atelectasis {doubt}",
            ).replace(", may represent", ", which may represent")
            return [self.changing(Thing(noun, keys, plural=True, tail=tail), "atelectasis")]
        words = (place, look) if look in ("subsegmental", "linear", "discoid") and self.chance(0.5) else (look, place)
        if self.chance(0.12):
            shape = self.say("[streaky|streaky|linear|bandlike]")
            cause = self.say(
                "[which may represent|likely|compatible with|most likely|consistent with] [atelectasis|<doubted>]",
                doubted=f"atelectasis {doubt}",
            )
            if len(sides) == 1:
                return [self.changing(Thing(f"{shape} {place} opacity", keys, tail=f", {cause}"), "atelectasis")]
        noun = " ".join(f"{' '.join(words)} atelectasis {doubt}".split())
        return [self.changing(Thing(noun, keys, mass=True), "atelectasis", 0.08)]

    def pleura(self) -> list[Statement]:
        statements = [self.stated(thing) for thing in self.effusion_things()]
        effusions = self.present("effusion")
        if len(effusions) == 1:
            side, lung = effusions[0]
            if lung.effusion == 1 and self.chance(0.25):
                pattern = (
                    "[[there is |][mild |slight |]blunting of the <side> [||lateral |posterior ]costophrenic [angle|"
                    "angle|sulcus]|the <side> costophrenic angle is blunted]"
                    "[, <suggests> a [small|trace] pleural effusion|, [indicating|due to] a small [pleural |]effusion]"
                )
                text = self.say(pattern, side=side, suggests=self.say(SUGGESTS))
                statements = [Statement(text, (f"effusion_{side}",))]
            other: Side = "left" if side == "right" else "right"
            if self.case.lung(other).effusion == 0 and self.chance(0.3):
                pattern = (
                    "[no <other> pleural effusion|the <other> costophrenic angle is [sharp|clear]|no [pleural "
                    "|]effusion on the <other>"
                    "|no [evidence of |]<other>-sided [pleural |]effusion]"
                )
                statements.append(Statement(self.say(pattern, other=other), (f"effusion_{other}",)))
        for thing in self.pneumothorax_things():
            statements.append(self.stated(thing))
            if self.chance(0.3):
                pattern = "[no [evidence of |signs of |]tension|no mediastinal shift|no shift of the mediastinum]"
                statements.append(Statement(self.say(pattern), ("tension",)))
        return statements

    def effusion_things(self, brief: bool = False) -> list[Thing]:
        present = self.present("effusion")
        noun = self.say("[pleural effusion|pleural effusion|pleural effusion|effusion]")
        if "effusion" in self.case.unplaced:
            return [Thing(noun, ("effusion",))]
        if len(present) == 2:
            right, left = (self.say(EFFUSION_SIZE[lung.effusion or 1]) for _, lung in present)
            both = ("effusion_right", "effusion_left")
            same = present[0][1].effusion == present[1][1].effusion
            if same and self.chance(0.8):
                return [self.changing(Thing(f"{right} bilateral {noun}s", both, plural=True), "effusion")]
            if not same and self.chance(0.45):
                if brief or self.chance(0.3):
                    more = "right" if (present[0][1].effusion or 0) > (present[1][1].effusion or 0) else "left"
                    tail = self.say(
                        "[, larger on the <more>|, <more> greater than <less>]", more=more, less=opposite(more)
                    )
                    return [self.changing(Thing(f"bilateral {noun}s", both, plural=True, tail=tail), "effusion")]
                tail = f", {right} on the right and {left} on the left"
                return [self.changing(Thing(f"bilateral {noun}s", both, plural=True, tail=tail), "effusion")]
            return [self.changing(Thing(f"{right} right and {left} left {noun}s", both, plural=True), "effusion")]
        things = []
        for side, lung in present:
            size = self.say(EFFUSION_SIZE[lung.effusion or 1])
            passive = ""
            if (lung.effusion or 0) >= 2 and self.chance(0.3):
                passive = self.say(
                    "with [adjacent|overlying|associated|underlying|compressive|adjacent compressive] atelectasis"
                )
            keys = (f"effusion_{side}",)
            if self.chance(0.15):
                thing = Thing(f"{size} {noun}", keys, tail=f"{self.say(ON[side])} {passive}".strip())
            else:
                thing = Thing(f"{size} {side}{self.say('[||-sided]')} {noun}", keys, tail=passive)
            things.append(self.changing(thing, "effusion", 0.08 if lung.effusion == 1 else 0.0))
        return things

    def pneumothorax_things(self) -> list[Thing]:
        things = []
        if "pneumothorax" in self.case.unplaced:
            things.append(Thing("pneumothorax", ("pneumothorax",)))
        for side, lung in self.present("pneumothorax"):
            grade = lung.pneumothorax or 1
            size = self.say(PNEUMOTHORAX_SIZE[grade])
            apical = self.say("[apical||]") if grade == 1 else ""
            tail = ""
            if grade == 3 and self.chance(0.4):
                tail = self.say("with [collapse|partial collapse|marked volume loss] of the <side> lung", side=side)
            elif grade < 3 and self.chance(0.2):
                tail = "with a visible pleural line"
            keys = (f"pneumothorax_{side}",)
            if grade == 1 and not tail and self.chance(0.15):
                thing = Thing(f"{size} pneumothorax", keys, tail=f"at the {side} apex")
            else:
                noun = f"{size} {side}{self.say('[||-sided]')} {apical} pneumothorax"
                thing = Thing(" ".join(noun.split()), keys, tail=tail)
            things.append(self.changing(thing, "pneumothorax"))
        return things

    def devices(self) -> list[Statement]:
        things = self.device_things()
        statements: list[Statement] = []
        while things:
            if len(things) > 1 and not any(thing.tail.startswith(",") for thing in things[:2]) and self.chance(0.2):
                first, second, *things = things
                text = self.say(
                    "[there is <first> and <second>|<first> and <second> are [noted|in place|present]]",
                    first=first.with_article if not first.plural else first.bare,
                    second=second.with_article,
                )
                if first.plural and text.startswith("there is"):
                    text = text.replace("there is", "there are", 1)
                statements.append(Statement(text, first.keys + second.keys))
                continue
            thing = things.pop(0)
            statements.append(self.stated(thing))
        return statements

    def device_things(self) -> list[Thing]:
        names = list(self.case.devices)
        self.random.shuffle(names)
        return [
            Thing(
                self.say(DEVICE_NAMES[name]),
                (name,),
                plural=name == "sternal_wires",
                tail=self.say(DEVICE_PLACES[name]) if self.chance(0.85) else "",
            )
            for name in names
        ]

    def rest(self) -> list[Statement]:
        """Bones, soft tissues and the like, where they are known to be normal."""
        statements = []
        # With chronic changes of the skeleton only what is acute can be denied.
        plain = not self.names & BONE_OTHERS
        if self.case.bones and self.chance(0.55 if plain else 0.3):
            statements.append(Statement(self.say(BONES_NORMAL if plain else BONES_NOT_ACUTE), ("bones",)))
        elif self.case.bones and plain and self.chance(0.12) and "breast_surgery" not in self.names:
            text = self.say("<the> soft tissues <are> [unremarkable|normal|within normal limits|grossly unremarkable]")
            statements.append(Statement(text, ("bones",)))
        whole = not self.names & {"elevated_hemidiaphragm", "hiatal_hernia", "hyperinflation", "emphysema"}
        known = self.case.cardiomegaly is not None and self.case.bones is not None
        if self.all_absent("effusion") and known and self.chance(0.12):
            quiet = whole and not self.names & SURGICAL_OTHERS
            text = self.say(ABDOMEN_NORMAL if quiet and self.chance(0.5) else NO_FREE_AIR)
            statements.append(Statement(text, ("diaphragm",)))
        return statements

    def others(self, names: frozenset[str]) -> list[Statement]:
        """One sentence for each finding of `names` that no picture shows."""
        chosen = [other for other in self.case.others if other.name in names]
        return [self.other(other, OTHER_SENTENCES) for other in chosen]

    def other(self, other: Other, table: Mapping[str, str]) -> Statement:
        unsided = f"{other.name}_unsided"
        pattern = table[unsided] if other.side is None and unsided in table else table[other.name]
        if other.name == "scoliosis":
            pattern = table.get(unsided, pattern) if other.side is None else pattern
            if other.side == "left":
                # The patterns are written for the right.
                pattern = pattern.replace("dextro", "levo").replace("right", "left")
        place = ""
        if other.zone and other.side:
            place = self.say(PLACES[other.zone, other.side])
        stable = self.say("[||stable|stable|unchanged]") if self.case.change == "unchanged" else ""
        say = lambda: self.say(  # noqa: E731
            pattern,
            side=other.side or "",
            place=place,
            deg=self.say(DEGREE[other.severity]),
            degly=self.say(DEGREE_ADVERB[other.severity]),
            size=self.say(HERNIA_SIZE[other.severity]),
            stable=stable,
            level=self.level,
            aged=self.aged,
            but=self.but(),
        )
        text = say()
        while self.case.change != "unchanged" and _AS_BEFORE.search(text):
            text = say()
        return Statement(text, (other.key, "change") if _AS_BEFORE.search(text) else (other.key,))
