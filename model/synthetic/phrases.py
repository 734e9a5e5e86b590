"""The report grammar's stock of patterns: what is normal, what a picture shows, what none shows, and what has changed.

In a pattern, `[a|b|]` is one of its alternatives, which may hold patterns and may be empty. A sentence has neither
capital nor full stop. Slots that every pattern may have: `<the>`, `<is>` and `<are>`, which a terse hand leaves out,
and `a~`, 'a' or 'an' as the next word wants it. Others are filled by the writer: `<side>`; `<place>`, a place in that
lung ('right upper lobe'); `<part>`, its medial or lateral part; `<deg>` and `<degly>`, how marked something is ('mild',
'mildly', or nothing); `<stable>`, that it was there before, or nothing; `<but>`, what may follow on clear lungs;
`<prior>`, the radiograph that is compared with. Where a finding has one wording with a side and another without, the
latter stands under its name with `_unsided`.
"""

from __future__ import annotations

from model.synthetic.cases import SIDES, ZONES, Change, Side, Zone

# One sentence each, for the findings section.
OTHER_SENTENCES: dict[str, str] = {
    "tortuous_aorta": (
        "[[the |][aorta|aorta|thoracic aorta|thoracic aorta|descending thoracic aorta] is [<degly>|somewhat] "
        "[tortuous|tortuous|ectatic|unfolded|tortuous and ectatic]|<stable> <deg> [tortuosity|ectasia|unfolding|"
        "tortuosity and ectasia] of the [aorta|aorta|thoracic aorta|thoracic aorta|descending thoracic aorta] [is "
        "noted|is seen|]|<stable> <degly> [tortuous|ectatic|tortuous and ectatic|unfolded] [thoracic |]aorta|there "
        "is <stable> <deg> [tortuosity|ectasia] of the [aorta|aorta|thoracic aorta|thoracic aorta|descending "
        "thoracic aorta]|<deg> aortic [ectasia|tortuosity|ectasia and tortuosity|unfolding]|there is a~ <degly> "
        "[tortuous|ectatic] [thoracic |]aorta|[the |]aortic contour is <degly> tortuous|[the |]thoracic aorta "
        "appears <degly> [tortuous|ectatic]]"
    ),
    "calcified_aorta": (
        "[[the |][aorta|thoracic aorta|aortic arch|aortic knob] is [calcified|atherosclerotic|partially calcified]|"
        "<stable> atherosclerotic calcification of the [aorta|thoracic aorta|aortic arch|aortic knob] [is noted|is "
        "present|is seen|]|<stable> atherosclerotic [calcifications|changes] [of|in|involving|within] the [aorta|"
        "thoracic aorta|aortic arch] [are noted|are present|are seen|]|[aortic|vascular] calcification is [noted|"
        "seen|present|again noted]|[aortic|atherosclerotic|vascular] calcifications are [noted|seen|present]|there "
        "are atherosclerotic [calcifications|changes] [of|in|involving] the [aorta|thoracic aorta|aortic arch]|"
        "calcified [thoracic |]aorta|aortic atherosclerosis|aortic atherosclerotic [calcification|calcifications|"
        "disease]|atherosclerotic vascular calcification|there is [calcification|atherosclerosis|calcific plaque] "
        "of the [aortic arch|aortic knob|aorta]|calcifications of the aortic [arch|knob]|aortic calcification|"
        "atherosclerotic aorta]"
    ),
    "degenerative_spine": (
        "[[there are |]<stable> [<deg>|<deg>|<deg>|chronic|chronic-appearing|multilevel|scattered|<deg> multilevel|"
        "diffuse] degenerative changes [of|of|in|in|throughout|within|involving|along] the [thoracic |thoracic |"
        "thoracic |mid thoracic |midthoracic |lower thoracic |upper thoracic |thoracolumbar |]spine|<stable> "
        "[<deg>|<deg> multilevel] degenerative changes [of|in] the [thoracic |thoracic |thoracic |mid thoracic |"
        "midthoracic |lower thoracic |upper thoracic |thoracolumbar |]spine [are noted|are seen|are present|are "
        "identified|noted|]|[there is |]<stable> <deg> degenerative change [of|in] the [thoracic |thoracic |"
        "thoracic |mid thoracic |midthoracic |lower thoracic |upper thoracic |thoracolumbar |]spine|degenerative "
        "changes are [present|noted|seen|demonstrated|again noted|identified] [in|within|throughout] the [thoracic "
        "|thoracic |thoracic |mid thoracic |midthoracic |lower thoracic |upper thoracic |thoracolumbar |]spine|"
        "degenerative changes [thoracic spine|in the bony structures|of the skeletal structures|in the skeletal "
        "structures|of the spine and shoulders|of the cervical spine|in the lower cervical spine|of the lumbar "
        "spine|noted of the thoracic spine|noted in the thoracic spine]|<deg> multilevel [thoracic |]spondylosis "
        "[is seen|is noted|is again demonstrated|]|<deg> [thoracic|thoracolumbar|multilevel thoracic] spondylosis "
        "[is noted|is seen|is present|is again noted|is identified|noted|]|<deg> spondylosis of the [thoracic |"
        "thoracic |thoracic |mid thoracic |midthoracic |lower thoracic |upper thoracic |thoracolumbar |]spine|"
        "there are t-spine [osteophytes|degenerative changes]|[there are |][anterior |][osteophytes|osteophyte "
        "formations] [of|in|along|throughout] the thoracic spine|<deg> [multilevel |]degenerative disc disease of "
        "the [thoracic|lower thoracic|mid thoracic|thoracolumbar] spine|[there are |]<deg> [degenerative |"
        "][endplate changes|disc disease and endplate changes] [in|of] the [thoracic|midthoracic|lower thoracic] "
        "spine|<deg> arthritic changes [of the skeletal structures|of the spine|of the thoracic spine|in the "
        "spine] [are noted|]|arthritic changes of the [skeletal structures|thoracic spine]|senescent changes of "
        "the [spine|skeletal structures|thoracic spine]|<deg> [osteophytic |]spurring [of|in|along] the thoracic "
        "spine|hypertrophic [changes|spurring] of the [thoracic |]spine|[there is |]osteophyte formation [in|along|"
        "of] the thoracic spine|degenerative [spondylosis|osteophytes] of the thoracic spine|<deg> degenerative "
        "changes of the spine on the lateral view|flowing osteophytes along the [anterior |]thoracic spine, "
        "[consistent with|suggestive of] DISH|[osteophytes along multiple thoracic vertebral bodies|<deg> spurring "
        "of the vertebral bodies]|<deg> disc space narrowing in the [thoracic|mid thoracic|lower thoracic] spine|"
        "the [thoracic |]spine [has|shows|demonstrates] <deg> degenerative changes|[the |]bony structures show "
        "<deg> [degenerative|arthritic] changes|there are [minimal|scattered|some|multilevel|<deg>] degenerative "
        "changes of the spine]"
    ),
    "scoliosis": (
        "[<stable> <deg> [dextroscoliosis|scoliosis convex to the right] of the [thoracic|thoracolumbar|lower "
        "thoracic|midthoracic] spine [is noted|is seen|is present|is again noted|is identified|noted|]|[there is |"
        "]<deg> dextroscoliosis of the [thoracic|thoracolumbar] spine|<deg> [dextrocurvature|rightward curvature|"
        "dextroscoliosis|right convex scoliosis] of the [thoracic|thoracolumbar|mid thoracic] spine|there is <deg> "
        "curvature of the [thoracic |]spine, convex to the right]"
    ),
    "scoliosis_unsided": (
        "[<stable> <deg> [scoliosis|curvature|scoliotic curvature] of the [thoracic|thoracolumbar|mid thoracic|"
        "lower thoracic|] spine [is noted|is seen|is present|is again noted|is identified|noted|]|[there is |"
        "]<stable> <deg> [scoliosis|thoracic scoliosis|thoracolumbar scoliosis|spinal curvature]|<deg> spine "
        "curvature [is |again |]noted|<deg> [thoracolumbar|thoracic] scoliosis [is noted|is seen|is present|is "
        "again noted|is identified|noted|]|<deg> s-shaped [scoliosis|curvature] of the [thoracolumbar|thoracic] "
        "spine|scoliosis of the thoracic spine [is noted|is unchanged in appearance|is seen]]"
    ),
    "kyphosis": (
        "[<stable> <deg> [thoracic kyphosis|kyphosis of the thoracic spine|exaggerated thoracic kyphosis|"
        "exaggeration of the thoracic kyphosis|kyphosis] [is noted|is seen|is present|is again noted|is identified|"
        "noted|]|[the |]thoracic kyphosis is [<degly> |]exaggerated|there is <deg> [kyphosis of the thoracic spine|"
        "accentuated thoracic kyphosis|increased thoracic kyphosis]|<deg> kyphotic [curvature|deformity] of the "
        "thoracic spine]"
    ),
    "osteopenia": (
        "[[there is |][diffuse |generalized |][osteopenia|demineralization|bony demineralization|osteopenia of the "
        "[spine|thoracic spine|visualized bones|osseous structures]]|[the |][bones|osseous structures|bony "
        "structures] [are|appear] [osteopenic|diffusely osteopenic|diffusely demineralized|demineralized]|"
        "osteopenia is [noted|present|seen]|diffuse osteopenia is noted|osteoporosis of the thoracic spine|"
        "osteopenia and degenerative changes [of the thoracic spine|]]"
    ),
    "compression_deformity": (
        "[<stable> [<deg>|<aged>|<aged>] [compression|wedge|anterior wedge] deformity of <level> [is noted|is seen|"
        "is present|]|[there is |]a~ <aged> [compression|wedge|anterior wedge] [deformity|fracture] of <level>|"
        "there is <deg> [anterior |][wedging|loss of height] of <level>|<deg> loss of height of <level>[, "
        "age-indeterminate|]|<aged> [superior |]endplate [deformity|depression] of <level>|[there is |]a~ <aged> "
        "compression deformity [in the thoracic spine, involving <level>|involving <level>]|there is <deg> "
        "[wedging|compression] of <level>]"
    ),
    "old_rib_fracture": (
        "[[there are |]<stable> [old|healed|remote|chronic|multiple old|chronic-appearing|old healed] <side> [||"
        "posterior |lateral |anterior |lower |upper |posterolateral ]rib [fractures|deformities]|<stable> [old|"
        "healed|remote|healing|old healed|prior] <side> [posterior|lateral|anterior|posterolateral|] [4th|5th|6th|"
        "7th|8th|sixth|fourth|fifth] rib [fracture|deformity] [is noted|is seen|is present|is again noted|is "
        "identified|noted|]|[old|healed|remote] [fracture|fracture deformity|posttraumatic deformity] of the "
        "<side> [posterior|lateral|anterior|] [4th|5th|6th|7th|8th|9th] rib|[old|healed|remote|chronic] fractures "
        "of the <side> [6th and 7th ribs|5th and 6th ribs|7th and 8th ribs|posterior ribs|lateral ribs|ribs]|"
        "[posttraumatic|chronic|old posttraumatic|chronic posttraumatic] deformities of the <side> ribs|there is "
        "[deformity|posttraumatic deformity|callus formation] of the <side> [posterior |lateral |anterior |][5th|"
        "6th|8th] rib[, consistent with old fracture|, related to remote injury|]|irregularity of the <side> "
        "lateral ribs, [likely|compatible with] [old trauma|remote fractures|prior injury|old injury]|deformity of "
        "the <side> [5th|6th|7th|8th] rib[, compatible with old injury|, likely from prior fracture|]]"
    ),
    "old_clavicle_fracture": (
        "[<stable> [old|healed|remote|chronic] <side> [distal |mid |] clavicle [fracture|deformity] [is noted|is "
        "seen|is present|is again noted|is identified|noted|]|[old|healed|chronic|posttraumatic] [fracture|"
        "deformity|fracture deformity] of the <side> [distal |] clavicle|there is [deformity|old deformity|"
        "posttraumatic deformity] of the [distal |mid |]<side> clavicle|the <side> clavicle is deformed from [an "
        "old|prior|a remote] fracture|plate and screw fixation of the <side> clavicle]"
    ),
    "shoulder_arthritis": (
        "[<deg> degenerative changes [of|in|involving] the <side> [shoulder|shoulder|glenohumeral joint|"
        "acromioclavicular joint] [are noted|are seen|are present|are identified|noted|]|there are <stable> <deg> "
        "degenerative changes [of|at] the <side> [shoulder|acromioclavicular joint|glenohumeral joint]|<deg> "
        "<side> [acromioclavicular|glenohumeral|shoulder] [arthritis|degenerative change|joint arthropathy|"
        "osteoarthritis]|narrowing of the <side> [acromioclavicular|glenohumeral] joint]"
    ),
    "shoulder_arthritis_unsided": (
        "[<deg> degenerative changes [of|in|involving] [the|both] shoulders [are noted|are seen|are present|are "
        "identified|noted|]|there are <deg> degenerative changes of [both shoulders|the acromioclavicular joints|"
        "the shoulders bilaterally]|<deg> bilateral [acromioclavicular|glenohumeral|shoulder] [arthritis|"
        "degenerative changes|joint arthritis]]"
    ),
    "cervical_fusion": (
        "[[there is |]<stable> anterior cervical fusion hardware|[postsurgical|postoperative] changes of the "
        "[lower |]cervical spine [are noted|]|cervical spine [fusion|fixation] hardware [is noted|is partially "
        "visualized|is seen|]|surgical fusion of the lower cervical spine|status post anterior cervical [fusion|"
        "discectomy and fusion]|orthopedic hardware [is noted|is seen|] in the [lower cervical|cervical] spine]"
    ),
    "pectus": (
        "[<deg> pectus excavatum [deformity|] [is noted|]|there is a pectus excavatum deformity|pectus carinatum]"
    ),
    "granuloma": (
        "[<stable> [small |] calcified [granuloma|granuloma|nodule] [in|within|at|overlying|of] the [medial |"
        "lateral |||]<place> [is noted|is seen|is present|is again noted|is identified|noted|]|[there is |]a~ "
        "<stable> [small |tiny |4 mm |5 mm |6 mm ||]calcified [granuloma|granuloma|nodule] [in|within|of|at] the "
        "[lateral |medial |]<place>|<stable> calcified <place> granuloma|<stable> <place> [calcified |]granuloma|"
        "[there are |]<stable> [scattered |small |a few |several |numerous |]calcified [granulomas|granulomata] "
        "[in|within|throughout] the <place>|calcified [granuloma|granulomas] [in|overlying] the <place>|<place> "
        "calcified granuloma [is noted|is seen|is present|is again noted|]|[there is |]evidence of [prior|old|"
        "previous|remote] granulomatous [disease|infection] in the <place>|[round|rounded|5 mm|dense|small|"
        "well-circumscribed] calcified nodule in the <place>, [consistent with|compatible with|likely|most likely|"
        "likely representing|suggestive of] a~ [calcified |prior |old |][granuloma]|[prior|old|previous|sequela of "
        "prior|sequelae of old|sequela of old] granulomatous [disease|infection|process] [is noted|] in the "
        "<place>|there is a~ [round |] dense [nodule|nodular density] in the <place> [consistent with|compatible "
        "with] a calcified granuloma|calcified granulomatous [disease|changes|densities] [in|of] the <place>]"
    ),
    "calcified_nodes": (
        "[<stable> calcified <side> [hilar|paratracheal|infrahilar|suprahilar] [lymph nodes|lymph nodes|adenopathy|"
        "granulomas] [are noted|are present|are seen|]|[there are |]<stable> calcified [lymph nodes|granulomas|"
        "nodes] in the <side> [hilum|hilar region|hilum and mediastinum]|calcified <side> hilar lymph nodes, "
        "[consistent with|compatible with|suggestive of|from|suggesting] [prior|old|previous|remote] granulomatous "
        "[disease|infection|process]|<side> hilar calcifications [are noted|are present|]|calcified <side> hilar "
        "lymph node [is noted|]|<stable> <side> [hilar|perihilar] calcified [granuloma|lymph nodes]|calcification "
        "of <side> hilar [lymph nodes|nodes]]"
    ),
    "calcified_nodes_unsided": (
        "[<stable> calcified [mediastinal|hilar|hilar and mediastinal|mediastinal and hilar|bilateral hilar] "
        "[lymph nodes|lymph nodes|lymph node|adenopathy|granulomas] [noted|present|]|[there are |]<stable> "
        "calcified [mediastinal|hilar|bilateral hilar] lymph nodes|[stable|sequela of prior|sequelae of old|"
        "evidence of|changes of|findings of|prior|old|previous|remote|chronic] granulomatous [disease|disease|"
        "process|infection|changes]|[there is |]evidence of [prior|old|previous|remote|chronic] granulomatous "
        "[disease|process|infection]|[scattered|bilateral|multiple|few] calcified [hilar and mediastinal lymph "
        "nodes|granulomas] [are seen|are noted|], [consistent with|compatible with|suggesting|suggestive of|"
        "related to] [prior|old|previous|remote] granulomatous [disease|infection|process]|granulomatous "
        "[calcifications|changes] [in|of] the [mediastinum|hila|mediastinum and hila]|there are [changes|findings] "
        "of [prior|old|remote] granulomatous disease|there are [scattered|multiple|stable] calcified granulomas "
        "[bilaterally|in both lungs|without evidence of active granulomatous process|in the mediastinum]]"
    ),
    "hyperinflation": (
        "[[the |]lungs are <degly> [hyperinflated|hyperexpanded|hyperinflated|hyperexpanded][| with flattening of "
        "the [diaphragms|hemidiaphragms|diaphragm]| with flattened [diaphragms|hemidiaphragms]|, [consistent with|"
        "compatible with|suggesting|suggestive of] [COPD|emphysema|obstructive lung disease|chronic obstructive "
        "pulmonary disease]| bilaterally]|<stable> [<degly>|<degly>|chronically] [hyperexpanded|hyperinflated] "
        "lungs|<stable> <deg> [hyperinflation|hyperexpansion] of the lungs [is noted|]|there is <stable> <deg> "
        "[hyperinflation|hyperexpansion|hyperaeration] [of the lungs|of both lungs|] [with flattening of the "
        "[diaphragm|diaphragms|hemidiaphragms]|]|[there is |]flattening of the [diaphragms|diaphragm|"
        "hemidiaphragms] [and an increased retrosternal airspace|with increased retrosternal lucency|] [consistent "
        "with|compatible with|suggesting|suggestive of|which suggests] [COPD|hyperinflation|obstructive lung "
        "disease|air trapping]|[the |]lungs are <degly> [hyperinflated|hyperexpanded] <but>|lung volumes are "
        "increased[, compatible with COPD|]]"
    ),
    "emphysema": (
        "[[there are |]<stable> [<deg>|chronic|severe] emphysematous [changes|lung changes] [of the lungs|of both "
        "lungs|in the upper lobes|in both lung apices|bilaterally|throughout the lungs|]|<stable> <deg> emphysema "
        "[is noted|]|[the |]lungs are <degly> [hyperexpanded|hyperinflated|hyperlucent] with emphysematous changes|"
        "[the |]lungs are [hyperexpanded|hyperinflated], [consistent|compatible] with <deg> emphysema|[there is |"
        "]<deg> [[bullous|apical bullous] [emphysema|disease|emphysematous change]|upper lobe emphysema]|[there "
        "are |][changes of|findings of] <deg> [emphysema|COPD|chronic obstructive pulmonary disease|chronic "
        "obstructive lung disease]|hyperinflated lungs with flattened [diaphragms|hemidiaphragms][, consistent "
        "with|, compatible with| consistent with| suggesting| suggestive of] <deg> emphysema|chronic [obstructive |"
        "]lung disease with emphysematous change|apical [bullae|blebs] [are noted|] [in keeping with|consistent "
        "with] emphysema]"
    ),
    "bronchitis": (
        "[[there are |]<stable> chronic [bronchitic|bronchial|inflammatory] changes [bilaterally|of the lungs|]|"
        "<deg> [peribronchial|bronchial wall] [thickening|cuffing] [is noted|is seen|centrally|]|[there is |]<deg> "
        "central [peribronchial|bronchial wall|airways] thickening[, which may represent bronchitis|, suggestive "
        "of bronchitis|, compatible with airways disease|]|<stable> chronic [lung|airways|bronchitic] disease [is "
        "noted|]|chronic bronchitic changes [throughout|in] both lungs]"
    ),
    "low_lung_volumes": (
        "[[the |]lung volumes are <degly> low <but>|<stable> [<degly> |]low lung volumes [are present|are noted|"
        "bilaterally||]|low lung volumes <but>|low lung volumes with [bronchovascular crowding|central "
        "bronchovascular crowding|crowding of the bronchovascular markings|crowding of the bronchovascular "
        "structures]|there are <degly> low lung volumes [with bronchovascular crowding|causing bronchovascular "
        "crowding|and bronchovascular crowding|bilaterally|]|<the> lungs are <degly> [hypoinflated|hypoinflated|"
        "underinflated] <but>|[the |]lungs are <degly> [hypoinflated|hypoinflated|underinflated|hypoventilated][ "
        "with bronchovascular crowding| with crowding of the bronchovascular markings|]|[there is |]<deg> "
        "hypoinflation [of the lungs|] [with bronchovascular crowding|with crowding of the bronchovascular "
        "markings|]|[shallow|low] inspiratory [effort|volumes]|[the |]lung volumes are <degly> [reduced|decreased|"
        "low with central bronchovascular crowding]|<degly> hypoinflated lungs|bronchovascular crowding [is noted|"
        "] [from|due to|secondary to|related to] low lung volumes|<deg> [bibasilar|] hypoventilation [is noted|]|"
        "<degly> decreased lung volumes]"
    ),
    "scarring": (
        "[<stable> [<deg>|<deg>|linear|chronic|subsegmental|focal|pleural-parenchymal] [scarring|scarring|scar] "
        "[in|within|at|of] the [medial |lateral |]<place> [is noted|is seen|is present|is again noted|is "
        "identified|noted|]|[there is |]<stable> [<deg>|linear|subtle|chronic|some] [<place> scarring|scarring in "
        "the <place>|parenchymal scarring in the <place>]|[linear|streaky|chronic|bandlike|irregular] <place> "
        "scarring|<place> [scarring|scar] [is noted|is unchanged in appearance|is seen|]|linear density in the "
        "<place>, [consistent with|compatible with|likely|most likely|likely representing] [scar|scarring]|"
        "[fibronodular|pleural-parenchymal|calcified] scarring [in|of] the <place>|there are linear densities in "
        "the <place> [which may represent|consistent with|compatible with|suggestive of] scarring]"
    ),
    "scarring_unsided": (
        "[<stable> <deg> [biapical|biapical pleural|biapical pleural-parenchymal|apical|bibasilar|bilateral "
        "apical] scarring [is noted|is seen|is present|is again noted|is identified|noted|]|[there is |]<stable> "
        "[<deg>|chronic] [biapical|biapical pleural|biapical fibronodular|bilateral|bibasilar|apical] scarring|"
        "scarring [is noted|is seen|] in [both lung apices|both apices|the lung apices|the lung bases|the bases]|"
        "<deg> scarring [in the lung bases|in the upper lobes|of both upper lobes|bilaterally]|fibronodular "
        "scarring of both [apices|upper lobes]]"
    ),
    "fibrosis": (
        "[<stable> <deg> [pulmonary|interstitial|bibasilar|chronic|peripheral|basilar] fibrosis [is noted|is "
        "present|]|[there are |]<stable> chronic [interstitial|interstitial lung|fibrotic] changes [bilaterally|in "
        "both lungs|throughout both lungs|throughout the lungs|of the lungs|]|[there are |][coarse|coarsened|"
        "chronic|chronic coarsened] interstitial markings [bilaterally|throughout both lungs|] [consistent with|"
        "compatible with|suggesting|suggestive of] [<deg> |chronic ][fibrosis|interstitial lung disease|pulmonary "
        "fibrosis]|[coarse|reticular|chronic reticular|diffuse reticular] [markings|opacities] at the [lung |"
        "]bases, [consistent with|compatible with|suggestive of] fibrosis|chronic interstitial lung disease [is "
        "noted|with fibrosis|]|<deg> fibrotic changes in [the lung bases|both lungs|the upper lobes|the periphery "
        "of the lungs]]"
    ),
    "pleural_thickening": (
        "[<stable> <deg> <side> [pleural|apical pleural|lateral pleural|basal pleural] thickening [is noted|is "
        "seen|is present|is again noted|is identified|noted|]|[there is |]<stable> <deg> [pleural thickening|"
        "pleural thickening and scarring] [on the <side>|at the <side> apex|at the <side> base|along the <side> "
        "lateral chest wall|in the <side> hemithorax]|calcified pleural plaque [on the <side>|in the <side> "
        "hemithorax]|<side> [apical pleural|pleural] [thickening|scarring] is [noted|chronic|seen]|<deg> "
        "thickening of the <side> [pleura|apical pleura|minor fissure|fissure]]"
    ),
    "pleural_thickening_unsided": (
        "[<stable> <deg> [biapical|bilateral|bilateral apical|biapical] pleural thickening [is noted|is seen|is "
        "present|is again noted|is identified|noted|]|[there is |]<stable> <deg> [biapical|bilateral|apical] "
        "pleural thickening|pleural thickening at [both apices|the lung apices|the apices]|[bilateral|calcified "
        "bilateral] pleural plaques [are noted|]|<deg> thickening of the [fissures|apical pleura]]"
    ),
    "elevated_hemidiaphragm": (
        "[[there is |]<stable> <deg> elevation of the <side> [hemidiaphragm|hemidiaphragm|diaphragm]|the <side> "
        "[hemidiaphragm|diaphragm] is <degly> elevated|<stable> <degly> elevated <side> hemidiaphragm|<stable> "
        "<deg> eventration of the <side> [hemidiaphragm|diaphragm] [is noted|is seen|]|<side> hemidiaphragm "
        "[eventration|elevation] [is noted|is seen|noted|]|there is a~ <degly> elevated <side> hemidiaphragm|there "
        "is <deg> eventration of the <side> hemidiaphragm]"
    ),
    "hiatal_hernia": (
        "[a~ <stable> [<size>|<size>|<size>|] hiatal hernia is [noted|present|seen]|there is a~ <stable> <size> "
        "hiatal hernia|<stable> <size> hiatal hernia [is noted|is seen|is present|is again noted|is identified|"
        "noted|]|[retrocardiac|rounded retrocardiac|air-filled retrocardiac] [density|lucency|lucency] [is noted|"
        "], [consistent with|compatible with|likely|suggestive of|most likely|which likely represents] a~ <size> "
        "hiatal hernia|air-fluid level [projecting over the heart|in the retrocardiac region][, consistent with|, "
        "compatible with] a~ <size> hiatal hernia]"
    ),
    "fat_pad": (
        "[prominent <side> [pericardial|epicardial|cardiophrenic] fat pad [is noted|is seen|is present|is again "
        "noted|is identified|noted|]|there is a~ prominent <side> [pericardial|epicardial|cardiophrenic] fat pad|"
        "density at the <side> cardiophrenic [angle|junction], [likely|compatible with|consistent with|most likely|"
        "representing] [a fat pad|pericardial fat|a prominent fat pad]]"
    ),
    "fat_pad_unsided": (
        "[prominent [pericardial|epicardial|cardiophrenic|mediastinal] fat [is noted|]|[bilateral|prominent] "
        "[pericardial|epicardial] fat pads [are noted|]|there is prominent [mediastinal|epicardial|pericardial] fat]"
    ),
    "hilar_prominence": (
        "[<stable> <deg> [prominence|enlargement|fullness] of the <side> [hilum|hilar region|pulmonary artery] [is "
        "noted|is seen|is present|is again noted|is identified|noted|]|[the |]<side> hilum is [<degly> |"
        "][prominent|full|enlarged]|prominent <side> [hilum|hilar structures|pulmonary artery|hilar contour]|there "
        "is <deg> <side> hilar [prominence|fullness|enlargement][, which may be vascular|, likely vascular|, "
        "possibly due to adenopathy|, possibly vascular|]|<side> hilar [prominence|fullness] [is noted|is seen|]]"
    ),
    "hilar_prominence_unsided": (
        "[<stable> prominent [hilar contours|hila|bilateral hila|hilar structures|pulmonary arteries|central "
        "pulmonary arteries] [are noted|]|<stable> <deg> prominence of the [pulmonary arteries|central pulmonary "
        "arteries|hila|hilar structures|hilar contours] [bilaterally|]|[the |][pulmonary arteries|central "
        "pulmonary arteries|hila] are [<degly> |][prominent|enlarged][, [suggestive of|consistent with|suggesting|"
        "which may represent|compatible with] pulmonary [arterial |]hypertension|]|enlarged [central |]pulmonary "
        "arteries|bilateral hilar [prominence|fullness|enlargement][, likely vascular|, which may be vascular|]]"
    ),
    "azygos_lobe": (
        "[there is an azygos lobe|an azygos lobe is noted|azygos [lobe|fissure] [is |]noted|incidental azygos lobe]"
    ),
    "nipple_shadow": (
        "[[there is |]a~ small nodular density [overlying|projecting over|in] the <side> [lower lung|lung base], "
        "[likely|most likely|probably|which is most likely|consistent with|compatible with] a nipple shadow|<side> "
        "nipple shadow [is noted|]|rounded density over the <side> [lower chest|lung base] [likely|probably] "
        "represents a nipple shadow]"
    ),
    "nipple_shadow_unsided": (
        "[[bilateral |]nipple shadows [are noted|are seen|are present|overlie the lower lungs|overlying the lung "
        "bases]|[symmetric|bilateral] nodular densities [overlying|projecting over|over] the [lower lungs|lung "
        "bases], [likely|most likely|probably|compatible with|consistent with] nipple shadows]"
    ),
    "surgical_clips": (
        "[surgical clips [are |]noted [in|overlying|over|projecting over] the <side> [axilla|breast|chest|chest "
        "wall|hilum|neck]|[there are |]surgical clips [in|overlying|projecting over|within] the <side> [axilla|"
        "upper quadrant|chest wall|upper abdomen|axillary region]|surgical clips are [present|seen|identified] "
        "[overlying|over|in|within] the <side> [axilla|upper quadrant|chest|upper abdomen]|postsurgical changes "
        "[are noted |noted |][overlying|in] the <side> axilla]"
    ),
    "surgical_clips_unsided": (
        "[[surgical|cholecystectomy] clips [are |][seen|noted|present|identified] [in|within|overlying|projecting "
        "over] the [right upper quadrant|right upper abdomen|upper abdomen|abdomen|neck]|[there are |][surgical|"
        "cholecystectomy] clips [in|overlying|projecting over|within] the [right upper quadrant|right upper "
        "abdomen|abdomen|upper abdomen]|[right upper quadrant|upper abdominal] surgical clips [are noted|are seen|"
        "are again noted|]|[cholecystectomy|right upper quadrant surgical|right upper quadrant|mediastinal "
        "surgical|mediastinal] clips [are |]noted|[status post|changes of prior|prior] [cholecystectomy|abdominal "
        "surgery]|[postsurgical|postoperative] changes [are noted |noted |][in|of|overlying] the [upper abdomen|"
        "mediastinum|neck|right upper quadrant]]"
    ),
    "breast_surgery": (
        "[[status post|patient is status post|prior|changes of prior] <side> mastectomy|<side> mastectomy [changes "
        "[are noted|]|with axillary clips|with surgical clips in the axilla]|postsurgical changes of the <side> "
        "breast[ are noted| with axillary clips|]|absent <side> breast shadow[, consistent with mastectomy|, from "
        "mastectomy]|<side> breast [prosthesis|implant] [is noted|]]"
    ),
    "monitor_leads": (
        "[[external |overlying ||][cardiac |][monitor leads|monitoring leads] [overlie the chest|are noted|are "
        "present|overlying the chest|]|[overlying |external ][cardiac monitor leads|cardiac leads|artifact|"
        "artifacts] [noted|overlying the chest|overlying the thorax]|external cardiac monitor leads overlie the "
        "[chest|thorax|patient]|[there are |]overlying [monitor|telemetry|EKG] leads|[external|overlying] "
        "[artifact|tubing] projects over the [left|right|upper] chest|clothing artifact overlies the chest]"
    ),
    "limited_study": (
        "[[the |][examination|exam|study] is [somewhat |slightly |]limited [by|due to|secondary to] [patient "
        "[rotation|body habitus|positioning|motion]|body habitus|rotation|technique|technical factors|low lung "
        "volumes|portable technique|AP technique]|[limited|rotated|lordotic|mildly rotated|slightly rotated] "
        "[examination|exam|film|study]|[exam|examination|study] limited by [patient rotation|body habitus|rotation|"
        "technique|positioning]|[the |]patient is [slightly |somewhat |mildly |][rotated|rotated to the right|"
        "rotated to the left|obese]|[limited|suboptimal] [exam|evaluation|study|examination] due to [patient "
        "rotation|body habitus|patient body habitus|large body habitus|technique|positioning]|[lordotic|kyphotic|"
        "apical lordotic] positioning [limits evaluation of the lung apices|somewhat limits evaluation of the lung "
        "bases|is noted]|evaluation is limited by [body habitus|patient rotation|positioning|technique]|the lung "
        "apices are [incompletely|not] [included|visualized] on this [exam|image|study]|portable [AP |]technique]"
    ),
    "chest_tube": (
        "[there is a~ <side>[||-sided|-sided] chest tube [in place|]|a~ <side>[||-sided|-sided] chest tube is "
        "[noted|in place|present|seen]|<side> chest tube [projecting over the <side> [base|apex|hemithorax]|with "
        "its tip at the <side> [apex|base]|with tip at the <side> apex|in place]|<side>[|-sided] [chest|pleural|"
        "thoracostomy] tube [in place|is in place|in good position|is noted|projecting over the <side> [apex|base|"
        "lung]]|pleural drainage catheter [at the <side> base|on the <side>|in the <side> hemithorax]]"
    ),
    "picc": (
        "[<side>[|-sided| upper extremity] PICC [line |catheter ||][is noted |is in place |is seen |][with its tip|"
        "with tip|with the tip|with distal tip] [in|overlying|over|at|projecting over|near|within] the [distal SVC|"
        "mid SVC|superior vena cava|cavoatrial junction|caval atrial junction|SVC|right atrium]|<side> [|-sided|"
        "arm|upper extremity] PICC [line|catheter|] [tip [overlies|terminates in|projects over|is at]|with tip [at|"
        "overlying|terminating in|in]] the [cavoatrial junction|distal SVC|mid SVC|superior vena cava|SVC|caval "
        "atrial junction]|<side> PICC [line ||][in place|is in place|in good position|remains in place|noted]|"
        "<side> PICC [line |]tip is [at|in|over|near] the [cavoatrial junction|mid SVC|distal SVC|SVC]]"
    ),
    "port": (
        "[[there is a~ |]<side>[||-sided|-sided] [chest |chest wall |subclavian |internal jugular |][port|"
        "port-a-cath|infusion port|port catheter|mediport] [with its tip|with tip|with catheter tip|with the tip|"
        "with the catheter tip|with distal tip] [in|overlying|over|at|near|within|projecting over] the [distal SVC|"
        "mid SVC|superior vena cava|cavoatrial junction|right atrium|SVC]|<side>[| chest| chest wall| subclavian|"
        "-sided] [port|port-a-cath|mediport] [in place|is in place|is noted|remains in place|tip is in the [distal "
        "SVC|mid SVC|SVC|superior vena cava]|catheter tip [overlies|overlying|is at|is in|projects over|terminates "
        "in|terminates at|near] the [SVC|cavoatrial junction|right atrium|mid SVC|distal SVC]]|<side> [chest |"
        "]port in [good|satisfactory] position]"
    ),
    "dialysis_catheter": (
        "[a~ <side>[||-sided] [dialysis catheter|internal jugular dialysis catheter|dual-lumen catheter|subclavian "
        "dialysis catheter|IJ dialysis catheter|large-bore dialysis catheter] [is in place|is noted|is seen][ with "
        "its tip| with tip| with tips] [in|overlying|at|projecting over|near] the [right atrium|cavoatrial "
        "junction|superior vena cava|distal SVC]|<side> dialysis catheter [in place|tip overlies the right atrium|"
        "tip is at the cavoatrial junction|terminates in the right atrium]]"
    ),
    "tracheostomy": (
        "[a tracheostomy [tube |]is [in place|noted|present|in good position|seen]|tracheostomy [tube ||][in place|"
        "is in place|is noted|in good position|in satisfactory position|projects over the trachea|tip is above the "
        "carina|is midline]]"
    ),
    "valve_prosthesis": (
        "[a~ [prosthetic [aortic|mitral|cardiac|heart] valve|aortic valve replacement|mitral valve replacement|"
        "cardiac valve prosthesis|aortic valve prosthesis|mitral annuloplasty ring] is [noted|in place|present|"
        "seen]|[status post|changes of] [aortic|mitral] valve replacement|[prosthetic|artificial] [aortic|mitral|"
        "cardiac|heart] valve [is noted|in place|noted|is present]|[aortic|mitral] valve [prosthesis|replacement] "
        "[is |]noted]"
    ),
    "coronary_stent": (
        "[there is a coronary [artery |]stent|a coronary [artery |]stent is [noted|present]|coronary [artery |"
        "]stents [are noted|]|coronary artery [calcification|calcifications|stent] noted|coronary artery "
        "calcifications [are noted|are present|]]"
    ),
    "shunt_tubing": (
        "[shunt [tubing|catheter tubing] [overlies the right chest|projects over the right chest|is noted over the "
        "right neck and chest|along the right chest wall]|ventriculoperitoneal shunt tubing [is noted|is seen|"
        "overlies the chest|projects over the right chest]|shunt catheter tubing [is seen along|overlies] the "
        "right [anterior |]chest wall]"
    ),
    "stimulator": (
        "[there is a [nerve|spinal cord|vagal nerve] stimulator|a [nerve|spinal cord|vagal nerve] stimulator is "
        "[noted|present]|[nerve|spinal cord] stimulator [leads [are noted|overlie the thoracic spine|project over "
        "the thoracic spine]|is noted|generator projects over the left chest|generator overlies the left chest]|"
        "loop recorder [is noted|overlies the left chest|projects over the heart]]"
    ),
}

# Fragments for the impression; what is missing here never stands there by itself.
OTHER_CONCLUSIONS: dict[str, str] = {
    "tortuous_aorta": "[<stable> <degly> tortuous [thoracic |]aorta|<deg> tortuosity of the [thoracic |]aorta]",
    "calcified_aorta": (
        "[atherosclerotic [disease of the aorta|aorta|calcification of the aorta|disease]|aortic atherosclerosis|"
        "calcified aorta]"
    ),
    "degenerative_spine": (
        "[<deg> degenerative changes of the spine|<deg> degenerative changes|<deg> spondylosis|degenerative "
        "changes of the [thoracic |]spine]"
    ),
    "scoliosis": "<deg> scoliosis",
    "compression_deformity": (
        "[<aged> [compression|wedge] [deformity|fracture] of <level>|<deg> compression deformity of <level>|<aged> "
        "compression deformity]"
    ),
    "old_rib_fracture": "[old|healed|remote] <side> rib [trauma|injury]",
    "old_clavicle_fracture": "[old|healed|remote] <side> clavicle fracture",
    "granuloma": (
        "[<stable> calcified <place> granuloma|<stable> <place> [calcified granuloma|granuloma]|[prior|old|"
        "previous|evidence of prior|evidence of old|sequela of prior] granulomatous disease|calcified granuloma in "
        "the <place>|calcified <place> nodule, [likely|consistent with] a granuloma]"
    ),
    "calcified_nodes": (
        "[[prior|old|previous|evidence of prior|evidence of previous|sequela of prior|changes of prior|remote] "
        "granulomatous [disease|infection|process]|calcified [mediastinal |hilar |]lymph nodes]"
    ),
    "hyperinflation": (
        "[[COPD|<deg> COPD|changes of COPD|hyperinflation|<deg> hyperinflation|<degly> hyperinflated lungs|"
        "hyperexpanded lungs|hyperinflation, [consistent with|compatible with|suggestive of|suggesting] [COPD|"
        "emphysema]|hyperexpanded lungs, [suggestive of|compatible with|consistent with] [COPD|emphysema|"
        "obstructive lung disease]|chronic [obstructive |]lung disease]]"
    ),
    "emphysema": (
        "[[<deg> emphysema|<stable> emphysema|emphysematous changes|emphysematous changes of the lungs|chronic "
        "emphysematous changes|chronic obstructive [pulmonary|lung] disease with emphysema|<deg> emphysematous "
        "changes|COPD|<stable> emphysematous lung changes]]"
    ),
    "bronchitis": (
        "[chronic bronchitic changes|chronic bronchitis|findings of chronic bronchitis|<deg> bronchitic changes]"
    ),
    "low_lung_volumes": (
        "[<stable> low lung volumes [with bronchovascular crowding|]|low lung volumes with central bronchovascular "
        "crowding|hypoinflation with bronchovascular crowding|hypoinflated lungs|<degly> low lung volumes]"
    ),
    "scarring": "[<stable> <place> scarring|[chronic|<deg>] <place> scarring|scarring in the <place>]",
    "scarring_unsided": (
        "[<stable> [biapical|bibasilar|bilateral] scarring|chronic [scarring|biapical scarring|changes and scarring]]"
    ),
    "fibrosis": (
        "[<stable> [pulmonary fibrosis|chronic interstitial lung disease|chronic interstitial changes|interstitial "
        "fibrosis]|chronic lung disease|chronic [changes|lung changes]|chronic fibrotic changes|chronic "
        "interstitial lung disease]"
    ),
    "pleural_thickening": "<stable> <side> pleural thickening",
    "pleural_thickening_unsided": "<stable> [bilateral|] pleural thickening",
    "elevated_hemidiaphragm": (
        "[<stable> <deg> elevation of the <side> hemidiaphragm|<stable> <degly> elevated <side> hemidiaphragm|"
        "<side> hemidiaphragm [elevation|eventration]]"
    ),
    "hiatal_hernia": "[<stable> <size> hiatal hernia|hiatal hernia]",
    "hilar_prominence": (
        "[<side> hilar [prominence|fullness]|prominent <side> hilum][, [recommend|consider] [comparison with prior "
        "studies|CT]|]"
    ),
    "hilar_prominence_unsided": (
        "[prominent [hilar contours|hila|pulmonary arteries]|enlarged pulmonary arteries[, suggestive of pulmonary "
        "hypertension|, which may represent pulmonary arterial hypertension|]]"
    ),
    "chest_tube": "[<side>[|-sided] chest tube [in place|in good position|as described]|<side> chest tube]",
    "picc": (
        "<side> PICC [line |][in place|in good position|in satisfactory position|as described|with tip in the SVC]"
    ),
    "port": "<side> [port-a-cath|port|chest port] [in place|in good position|as described]",
    "dialysis_catheter": "<side> dialysis catheter in [place|good position]",
    "tracheostomy": "tracheostomy [tube |]in [place|good position|satisfactory position]",
    "osteopenia": "[osteopenia|diffuse osteopenia]",
    "limited_study": "limited [exam|examination|study]",
    "nipple_shadow": (
        "[probable|likely] nipple shadow[, repeat radiograph with nipple markers [could be performed|would be "
        "helpful|may be helpful]|]"
    ),
}

HEADINGS = {
    "findings": "Findings",
    "impression": "[Impression|Impression|Impression|Impression|Conclusion|Opinion]",
    "examination": "[Examination|Exam|Technique|Procedure|Exam]",
    "indication": "[Indication|Clinical history|History|Clinical information]",
    "comparison": "Comparison",
}
ON = {"right": "[on the right|at the right|on the right]", "left": "[on the left|at the left|on the left]"}
ZONE_PLACE: dict[Zone, str] = {
    "upper": "in the [<part>|||]<side> [upper zone|upper lung zone|upper lobe|upper lobe|upper lung|upper lung field]",
    "mid": "in the [<part>|||]<side> [mid zone|mid lung zone|midlung|midlung|mid lung|mid lung field<mid>]",
    "lower": "[in the <side> [lower zone|lower lung zone|lower lobe|lower lobe|lower lung|lung base|base]|at the "
    "<side> "
    "[base|lung base]|within the <side> [lower lobe|lung base]]",
}
ZONE_ADJECTIVE: dict[Zone, str] = {
    "upper": "<side> [upper zone|upper lobe|upper lobe|upper lung|upper lung zone]",
    "mid": "<side> [mid zone|midlung|mid lung|mid lung zone|perihilar<middle>]",
    "lower": "<side> [lower zone|lower lobe|lower lobe|lower lung|basilar|basilar|basal|lung base<heart>]",
}


def _sided(pattern: str, side: Side) -> str:
    """The pattern with the names that only one side has: a middle lobe, a lingula, a space behind the heart."""
    only = {
        "right": {"mid": "|middle lobe", "middle": "|middle lobe", "heart": ""},
        "left": {"mid": "|lingula", "middle": "|lingular", "heart": "|retrocardiac"},
    }
    for slot, words in {"side": side, **only[side]}.items():
        pattern = pattern.replace(f"<{slot}>", words)
    return pattern


PLACES_AFTER = {(zone, side): _sided(ZONE_PLACE[zone], side) for zone in ZONES for side in SIDES}
PLACES_BEFORE = {(zone, side): _sided(ZONE_ADJECTIVE[zone], side) for zone in ZONES for side in SIDES}
# Where in a lung something small lies, after 'in the'.
PLACES: dict[tuple[Zone | None, Side], str] = {
    ("upper", "right"): "right [upper lobe|upper lobe|upper lung|apex|lung apex]",
    ("upper", "left"): "left [upper lobe|upper lobe|upper lung|apex|lung apex]",
    ("mid", "right"): "right [midlung|mid lung|middle lobe|perihilar region]",
    ("mid", "left"): "left [midlung|mid lung|midlung zone|perihilar region]",
    ("lower", "right"): "right [lower lobe|lower lobe|lung base|base|lower lung]",
    ("lower", "left"): "left [lower lobe|lower lobe|lung base|base|lower lung]",
}
DEGREE = {None: "", 1: "[mild|mild|minimal|slight]", 2: "moderate", 3: "[severe|marked]"}
DEGREE_ADVERB = {None: "", 1: "[mildly|mildly|slightly|minimally]", 2: "moderately", 3: "[markedly|severely]"}
HERNIA_SIZE = {None: "", 1: "small", 2: "[moderate|moderate-sized]", 3: "large"}
EFFUSION_SIZE = {
    1: "[small|small|small|trace|minimal|mild]",
    2: "[moderate|moderate|moderate-sized|medium-sized]",
    3: "[large|large|large|massive]",
}
PNEUMOTHORAX_SIZE = {1: "[small|small|tiny|minimal]", 2: "[moderate|moderate|moderate-sized]", 3: "large"}
OPACITY_LOOK = {
    1: "[faint|subtle|hazy|mild|ill-defined|vague|mild patchy]",
    2: "[patchy|patchy|focal|moderate|hazy|]",
    3: "[dense|confluent|extensive]",
}
OPACITY_NOUN = {
    1: "[opacity|airspace opacity|airspace opacity|infiltrate|density|air space opacity|airspace disease]",
    2: "[airspace opacity|airspace opacity|opacity|consolidation|infiltrate|airspace disease|air space opacity|"
    "air space disease|opacification|lung opacity|alveolar opacity]",
    3: "[consolidation|consolidation|airspace consolidation|airspace opacity|airspace disease|air space consolidation|"
    "alveolar consolidation|opacification]",
}
MASS_NOUNS = (
    "consolidation", "disease", "edema", "atelectasis", "congestion", "cardiomegaly", "fluid", "opacification"
)  # fmt: skip
SUGGESTS = (
    "[consistent with|compatible with|in keeping with|suggestive of|suspicious for|concerning for|likely representing"
    "|most likely|which may represent|which could represent|possibly representing|worrisome for|probably representing"
    "|which may be due to|which may reflect|possibly|likely|probably|most suggestive of|which may be secondary to|most "
    "compatible with|likely related to|suggesting|likely secondary to|possibly due to]"
)
MAY_BE = "[may represent|could represent|may reflect|may be due to|may be secondary to|are likely due to]"
INFECTIONS = (
    "[pneumonia|pneumonia|pneumonia|pneumonia|infection|an infectious process|an inflammatory process|infection or "
    "inflammation|pneumonia or aspiration|infection versus aspiration|an acute infectious process|early "
    "pneumonia|atypical infection|bronchopneumonia|lobar pneumonia]"
)
EDEMA_SENTENCES = {
    1: "[<the> pulmonary [vasculature|vascularity] is [mildly|slightly|] [congested|engorged|prominent]"
    "|<the> central pulmonary vessels are [mildly|] [engorged|prominent|congested]|<the> [pulmonary vascular markings|"
    "central vascular markings] are [mildly |][prominent|increased|engorged]"
    "|[mild |]cephalization of the pulmonary vessels[, suggesting vascular congestion|]]",
    2: "[[diffuse|bilateral|mild diffuse] [prominence of the interstitial markings|interstitial prominence"
    "|increased interstitial markings|increased interstitial opacities|interstitial opacities|prominent interstitial "
    "markings], <suggests> [interstitial edema|interstitial pulmonary edema|pulmonary edema]"
    "|<the> interstitial markings are [diffusely |mildly |][increased|prominent], <suggests> [interstitial edema|"
    "pulmonary edema]|there are [diffuse|bilateral|increased|diffuse bilateral] interstitial [opacities|markings], "
    "<suggests> [interstitial edema|pulmonary edema]]",
    3: "[[bilateral|symmetric bilateral|diffuse bilateral] perihilar [airspace opacities|opacities|hazy opacities"
    "|opacification|air space opacities], <suggests> [pulmonary edema|alveolar edema]"
    "|there [are bilateral|are extensive bilateral] perihilar opacities, <suggests> [alveolar edema|pulmonary edema]]",
}
DEVICE_NAMES = {
    "pacemaker": "[left chest wall|left-sided|left|left chest|left subclavian] [pacemaker|dual-lead pacemaker"
    "|dual-chamber pacemaker|cardiac pacemaker|pacemaker generator]",
    "endotracheal_tube": "[endotracheal tube|endotracheal tube|ET tube]",
    "central_line": "right [central venous catheter|central venous line|internal jugular catheter|internal "
    "jugular central line|internal jugular central venous catheter|IJ central venous catheter|IJ catheter]",
    "nasogastric_tube": "[nasogastric tube|enteric tube|NG tube]",
    "sternal_wires": "[median sternotomy|sternal|sternotomy|intact sternal|intact median sternotomy] wires",
}
DEVICE_PLACES = {
    "pacemaker": "[with leads in the expected position|with leads overlying the right atrium and right ventricle"
    "|with intact leads|with its leads projecting over the right heart|with leads in the right atrium and right "
    "ventricle"
    "|with lead tips in the right atrium and right ventricle|with leads projecting over the heart|]",
    "endotracheal_tube": "[with its tip above the carina|terminating above the carina|in satisfactory position"
    "|with its tip in the mid trachea|in good position|with tip above the carina|with tip approximately 4 cm above the "
    "carina|in appropriate position]",
    "central_line": "[with its tip in the superior vena cava|with tip overlying the superior vena cava|with its "
    "tip in the SVC|with tip in the SVC|with tip in the mid SVC|with the tip in the distal SVC|with catheter tip in "
    "the "
    "distal SVC|with tip at the cavoatrial junction|with tip overlying the SVC|with distal tip in the SVC|with "
    "catheter "
    "tip at the caval atrial junction"
    "|terminating in the region of the SVC|terminating over the superior vena cava]",
    "nasogastric_tube": "[coursing below the diaphragm|passing below the left hemidiaphragm|extending into the stomach"
    "|with its tip in the region of the stomach|with tip below the diaphragm|with tip in the stomach]",
    "sternal_wires": "[||, from prior cardiac surgery|, from prior CABG|, related to prior CABG|, compatible with "
    "prior CABG]",
}
HEART_STABLE = (
    "[<the> cardiomediastinal silhouette is [stable|unchanged|stable and within normal limits|normal and stable|normal "
    "in size and contour, and stable]|stable [normal |][cardiomediastinal silhouette|cardiomediastinal contours|"
    "cardiac silhouette|heart size]|<the> heart size and mediastinal [contours|contour|silhouette] are [stable|"
    "unchanged|"
    "stable and within normal limits|normal and unchanged]|unchanged cardiomediastinal silhouette|stable appearance of "
    "the [cardiomediastinal silhouette|heart and mediastinum]|heart size within normal limits, stable mediastinal "
    "[contour|contours|and hilar contours]|<the> heart and mediastinum are [stable|unchanged]|<the> cardiomediastinal "
    "silhouette <is> within normal limits and stable|stable cardiac and mediastinal contours|<the> cardiac and "
    "mediastinal silhouettes are stable|normal heart size, stable mediastinal contour]"
)
HEART_STABLE_ALONE = (
    "[<the> heart size is [stable|unchanged|normal and stable|stable and normal|within normal limits and stable]|"
    "stable "
    "[normal |]heart size|stable cardiac silhouette|<the> heart is normal in size and unchanged]"
)
HEART_AND_VESSELS = (
    "[<the> heart size[, mediastinal contour[s|],| and mediastinal contour,] and pulmonary [vascularity|vasculature] "
    "<are> <normal>|<the> heart size and pulmonary vascularity <are> [<normal>|within normal limits]|<the> [heart|"
    "cardiac "
    "silhouette], mediastinum, and pulmonary [vascularity|vasculature] are <normal>|<the> heart, pulmonary "
    "[vascularity|"
    "vasculature|vessels] and mediastinum are [<normal>|within normal limits]|<the> cardiomediastinal silhouette and "
    "[pulmonary |][vasculature|vascularity] <are> [<normal>|within normal limits for size and contour|within normal "
    "limits "
    "in appearance]|<the> cardiac silhouette and pulmonary [vascularity|vasculature] <are> <normal>|<the> heart and "
    "pulmonary [vascularity|vasculature|vessels] <are> <normal>|<the> cardiomediastinal [silhouette|contours], "
    "pulmonary "
    "vasculature, and central airways are <normal>|<the> cardiomediastinal contours and pulmonary vascularity are "
    "<normal>|<the> heart size, mediastinum, and pulmonary vasculature <are> <normal>|heart size, mediastinal "
    "silhouette "
    "and pulmonary vascular markings are <normal>|<the> cardiac and mediastinal contours and pulmonary vascularity are "
    "<normal>]"
)
HEART_AND_MEDIASTINUM = (
    "[<the> heart size and [cardiomediastinal|mediastinal|mediastinal] [contours|contour|silhouette] <are> <normal>"
    "|<the> [cardiomediastinal silhouette|cardio mediastinal silhouette|cardiomediastinal silhouette|heart and "
    "mediastinal silhouette] <is> [<normal>|<normal>|normal in size and contour|normal in size and configuration|"
    "within "
    "normal limits for size and contour|within normal limits in size and appearance|within normal limits in size and "
    "contour|within normal limits in overall size and appearance|normal size and configuration]"
    "|<the> [cardiac|heart] and mediastinal [silhouettes|contours|silhouette|structures] <are> <normal>|<the> heart "
    "and "
    "mediastinum <are> [<normal>|normal size and shape|of normal size and contour|normal in size and contour|normal]"
    "|[normal|unremarkable] [heart|cardiac] size and mediastinal [contours|contour|silhouette]|normal heart size and "
    "cardiomediastinal silhouette"
    "|[normal|unremarkable] [cardiomediastinal silhouette|cardiomediastinal contours|cardiac and mediastinal contours|"
    "heart and mediastinum]|normal cardiomediastinal silhouette and hilar contours"
    "|<the> cardiomediastinal [contours <are>|contour <is>|silhouettes <are>|contours and hilar contours <are>] "
    "<normal>"
    "|<the> heart size, mediastinal[,|] and hilar contours <are> <normal>|<the> cardiac, mediastinal, and hilar "
    "[contours|"
    "silhouettes] <are> <normal>|<the> cardiac contours and mediastinal silhouette <are> <normal>|heart and "
    "mediastinum "
    "normal|<the> heart and mediastinum are unremarkable|<the> heart size is normal and <the> mediastinum is "
    "unremarkable|<the> heart size, mediastinal contour, and aorta <are> <normal>]"
)
HEART_AND_LUNGS = (
    "[<the> heart and lungs <are> <normal>|<the> heart is normal in size and <the> lungs are clear|heart size normal "
    "and "
    "lungs clear|<the> heart size is [normal|within normal limits] and the lungs are clear]"
)
HEART_ALONE = (
    "[<the> heart <is> [normal in size|not enlarged|normal in size and contour|of normal size|normal size|normal in "
    "size "
    "and configuration|not significantly enlarged|unremarkable|within normal limits|within normal limits in size|"
    "normal]"
    "|<the> heart size <is> <normal>|<the> heart size <is> [normal|normal|within normal limits]|normal heart size|"
    "heart "
    "size normal|<the> cardiac silhouette <is> [<normal>|normal in size|not enlarged|within normal limits in size|"
    "normal "
    "in size and contour|within normal limits for size]|<the> cardiac contours <are> <normal>|no cardiomegaly|no "
    "cardiac "
    "enlargement|<the> heart silhouette is [normal in size and contour|normal in size]|normal cardiac [silhouette|"
    "contour|contours|size]|<the> cardiac size <is> <normal>|heart size within normal limits|<the> heart size is "
    "grossly "
    "normal|<the> heart is [grossly |]normal in size]"
)
VESSELS_NORMAL = (
    "[<the> pulmonary [vascularity|vasculature] <is> <normal>|<the> pulmonary vessels <are> <normal>|<the> [pulmonary|"
    "central] vascular markings <are> [<normal>|symmetric and within normal limits]|no [evidence of |overt |findings "
    "of "
    "|convincing |typical findings of |][pulmonary edema|vascular congestion]|no [pulmonary |]vascular congestion or "
    "[pulmonary |][edema|interstitial edema]|normal pulmonary [vascularity|vasculature|vasculatures]|no [overt|overt |"
    "alveolar|interstitial|frank|definite] pulmonary edema|there is no [pulmonary |]edema|no typical findings of "
    "pulmonary edema|<the> pulmonary vascularity is within normal limits in appearance|<the> central pulmonary "
    "vasculature"
    " is <normal>|<the> pulmonary vasculature is not engorged|without [overt |]pulmonary edema|<the> pulmonary "
    "vasculature and bronchovascular markings are <normal>|<the> pulmonary arteries <are> <normal>|no edema]"
)
NO_OPACITY = (
    "[focal consolidation|focal consolidation|focal consolidation|focal airspace consolidation|focal airspace disease|"
    "focal airspace disease|airspace opacity|focal infiltrate|focal air space consolidation|focal air space disease|"
    "focal "
    "air space opacity|focal air space opacity to suggest a pneumonia|focal area of consolidation|focal areas of "
    "consolidation|focal opacity|acute infiltrate|focal airspace opacity|consolidation|infiltrate|focal alveolar "
    "consolidation|focal pulmonary consolidation|focal pulmonary opacity|focal lung consolidation|pneumonia|acute "
    "airspace disease|airspace disease|airspace consolidation|air space consolidation|suspicious focal opacity|"
    "suspicious "
    "pulmonary opacity|confluent airspace disease|lobar consolidation|focal pulmonary infiltrate|alveolar "
    "consolidation|"
    "focal airspace opacity to suggest pneumonia|acute consolidation|discrete airspace opacity|focal lung opacity]"
)
NO_OPACITIES = (
    "[focal infiltrates|infiltrates|focal airspace consolidations|focal consolidations|focal airspace opacities|focal "
    "areas of consolidation|pulmonary infiltrates|acute infiltrates|suspicious pulmonary opacities|focal opacities|"
    "consolidations|air space consolidations|suspicious focal air space opacities|focal air space opacities]"
)
NO_CONSOLIDATION = (
    "[focal consolidation|consolidation|focal airspace consolidation|lobar consolidation|focal alveolar consolidation|"
    "focal areas of consolidation|air space consolidation|focal air space consolidation]"
)
NO_NODULES = (
    "[no [suspicious|focal|dominant|discrete|] [pulmonary|lung] [[nodule|nodule or mass|mass or nodule] [is seen|is "
    "identified|identified|]|[nodules|nodules or masses|masses] [are seen|are identified|identified|]]|no [nodules or "
    "masses|masses or nodules|pulmonary mass or nodule|suspicious nodules or masses|suspicious appearing nodules]|"
    "there "
    "are no [nodules or masses|pulmonary nodules or masses|suspicious pulmonary nodules]|no suspicious pulmonary "
    "[nodules|mass]]"
)
NOTHING_ACUTE_IN_BONES = (
    "no [acute|acute|evidence of acute|definite acute] [osseous|bony|skeletal] [abnormality|abnormalities|findings|"
    "finding|abnormality identified|abnormality is seen|abnormality is identified|injury]|there is no acute "
    "[bony|osseous] abnormality [seen|]|no [displaced|acute displaced|acute] rib [fracture|fractures] [<seen>|"
    "identified|]"
    "|no [acute |][displaced |]fractures|no acute fracture or dislocation|no displaced fracture|no acute displaced "
    "fracture|no acute bony changes|no acute bone "
    "abnormality"
    "|<the> [visualized |][osseous structures|bony structures|bones|skeletal structures] [show no acute|demonstrate no "
    "acute|are without acute|reveal no acute|appear without acute] [abnormality|abnormalities|osseous abnormality]|"
    "<the> "
    "[osseous|bony] structures of the thorax are without acute abnormality|no acute bony findings|no acute osseous "
    "findings|no acute abnormality of the [bony structures|visualized bones|thoracic spine|bony thorax]|<the> bony "
    "thorax "
    "shows no acute abnormality"
).replace("<seen>", "is seen")
# One fracture is seen, several are.
NOTHING_ACUTE_IN_BONES = NOTHING_ACUTE_IN_BONES.replace(
    "[fracture|fractures] [is seen|identified|]",
    "[fracture is seen|fractures are seen|fracture|fractures|fractures identified]",
)
BONES_NOT_ACUTE = f"[{NOTHING_ACUTE_IN_BONES}]"
BONES_NORMAL = (
    f"[{NOTHING_ACUTE_IN_BONES}|<the> [visualized |visible |][osseous structures|bony structures|bones|skeletal "
    "structures|bony structures of the thorax|osseous structures of the thorax] <are> [unremarkable|intact|intact|"
    "grossly "
    "intact|grossly unremarkable|within normal limits|within normal limits for patient age|normal|unremarkable for "
    "patient age]|<the> bony thorax <is> [intact|unremarkable|grossly unremarkable|grossly intact]|<the> ribs [appear "
    "intact|are intact]|<the> visualized thoracic spine <is> [unremarkable|intact]|<the> bones of the thorax appear "
    "intact"
    "|<the> [bones|osseous structures|bony structures] and soft tissues <are> [unremarkable|normal|within normal "
    "limits|"
    "grossly unremarkable]|<the> soft tissue and bony structures <are> [unremarkable|within normal limits]|no soft "
    "tissue abnormality|<the> [bony structures|osseous structures|skeletal structures] appear [intact|intact "
    "without "
    "acute abnormality|unremarkable]|<the> thoracic spine appears intact|<the> [soft tissues|visualized soft tissues] "
    "and "
    "[bony|osseous] structures <are> [unremarkable|normal|within normal limits]|no bony [abnormality|abnormalities]|"
    "<the> "
    "bony structures are intact without acute osseous abnormality|<the> visualized skeletal structures of the thorax "
    "are "
    "intact|<the> visualized bony structures reveal no abnormalities|bony structures intact]"
)
ABDOMEN_NORMAL = (
    "[<the> visualized [upper |]abdomen <is> [unremarkable|within normal limits|normal|grossly unremarkable]|<the> "
    "[hemidiaphragms|diaphragms|diaphragm contours] <are> [normal|well defined|unremarkable|sharply defined|intact]|"
    "<the> "
    "visualized portions of the [upper |]abdomen are [unremarkable|normal]|<the> costophrenic [angles|sulci] are "
    "[clear|"
    "sharp]|bilateral costophrenic angles are sharp|<the> upper abdomen <is> unremarkable]"
)
NO_FREE_AIR = (
    "[no free [air|intraperitoneal air] [under the diaphragm|beneath the diaphragm|is seen|seen beneath the diaphragm|"
    "]|no [visible|evidence of] free [intraperitoneal |]air [under the diaphragm|beneath the "
    "diaphragm|]|there is no [visible |]free [intraperitoneal |]air [under the diaphragm|beneath the diaphragm|]|no "
    "[pneumoperitoneum|free subdiaphragmatic air]|no visible free intraperitoneal air under the diaphragm]"
)
NO_DISEASE = (
    "[no [evidence of |radiographic evidence of |][acute|acute|active] [cardiopulmonary|cardiopulmonary|cardiopulmonary"
    "|pulmonary|intrathoracic|cardiothoracic|radiographic cardiopulmonary] [abnormality|disease|process|findings|"
    "abnormalities|pathology|finding]|no [active|acute] disease [in the chest|]|no acute [abnormality|findings|finding|"
    "radiographic abnormality|abnormalities|abnormality seen|abnormality identified] [in the chest|]"
    "|negative for acute [cardiopulmonary |cardiopulmonary |][abnormality|disease|process|findings|finding]|[no|there "
    "is "
    "no] [radiographic |]evidence of [acute cardiopulmonary disease|active disease|active cardiopulmonary disease|"
    "acute "
    "pulmonary disease|acute disease|acute cardiopulmonary process|any acute disease]|no acute [cardiopulmonary|"
    "pulmonary]"
    " [abnormality|abnormalities|disease|disease|process|findings|findings] [identified|seen|is seen|]|no [acute|"
    "active] "
    "cardiac, pulmonary, or pleural disease|no visible "
    "active"
    " cardiopulmonary disease|no acute pulmonary [disease|findings|process|abnormality] [identified|]|no acute "
    "radiographic"
    " [cardiopulmonary process|cardiopulmonary abnormality|abnormality]|no acute process|no evidence of active disease|"
    "no "
    "acute cardiopulmonary disease|no acute disease process|no visible active cardiac, pulmonary or pleural disease]"
).replace(" [identified|seen|is seen|]", " [identified|seen|]")
NORMAL_CHEST = (
    "[[normal|unremarkable|negative] [chest|chest|chest radiograph|chest x-ray|examination of the chest|chest "
    "examination"
    "|radiograph of the chest|radiographs of the chest|frontal chest radiograph|exam|appearing chest|study]|clear "
    "lungs|"
    "normal chest|normal chest exam|essentially normal chest|heart size is normal and lungs are clear|no abnormality "
    "seen]"
)
PRIOR = (
    "[prior|prior|the prior study|the prior exam|the prior examination|the previous exam|the previous study|prior "
    "radiographs|the prior radiograph|previous chest radiograph|the previous chest x-ray|prior study|prior exam|the "
    "prior "
    "chest radiograph|previous examination]"
)
NO_CHANGE = (
    "[stable chest|stable appearance of the chest|stable exam|no [significant |] interval change|no significant "
    "[interval "
    "|]change [from|since|compared to] <prior>|no change [from|since|compared to|compared with] <prior>|no interval "
    "change"
    " [from|since] <prior>|there has been no [significant |]interval change [since <prior>|]|stable chest radiograph|"
    "the "
    "[examination|chest] is [stable|unchanged] [compared to|compared with|from] <prior>|no significant change|"
    "unchanged "
    "appearance of the chest|no acute abnormality or change since <prior>|no acute interval change|stable examination|"
    "[when |]compared to <prior>, [no significant change|there is no significant interval change]]"
)
# How the change of the main finding is said before its name; 'any' where a finding has no words of its own.
CHANGE_BEFORE: dict[Change, dict[str, str]] = {
    "unchanged": {"any": "[stable|stable|stable|unchanged|persistent|unchanged|redemonstrated]"},
    "increased": {
        "opacity": "[worsening|increasing|increased|progressive]",
        "edema": "[worsening|increasing|increased]",
        "atelectasis": "[worsening|increasing|increased]",
        "effusion": "[enlarging|increasing]",
        "pneumothorax": "[enlarging|increasing]",
        "nodule": "enlarging",
        "cardiomegaly": "increasing",
    },
    "decreased": {
        "opacity": "[improving|resolving|decreasing|improved|decreased|residual but improved]",
        "edema": "[improving|improved|resolving|decreasing]",
        "atelectasis": "[improving|improved|decreasing]",
        "effusion": "[decreasing|improving|resolving|residual but decreased]",
        "pneumothorax": "[decreasing|resolving|improving]",
        "cardiomegaly": "improved",
    },
    "new": {"any": "new"},
}
# The same, after a comma at the end.
CHANGE_AFTER: dict[Change, str] = {
    "unchanged": "[unchanged|stable|unchanged|stable|similar to <prior>|unchanged [from|since|compared to] <prior>|"
    "stable "
    "[since|compared to|compared with] <prior>|not significantly changed [since|from|compared to] <prior>|similar in "
    "appearance to <prior>|without significant [interval |]change|stable in appearance|unchanged in appearance|as "
    "before]",
    "increased": "<larger> [since|compared to|compared with|in the interval since] <prior>",
    "decreased": "<larger> [since|compared to|compared with|in the interval since] <prior>",
    "new": "new [since|from|compared to|compared with|in the interval since] <prior>",
}
CHANGE_SENTENCES: dict[Change, str] = {
    "unchanged": "[there has been no significant interval change in <name>|<name> <be> [stable|unchanged|not "
    "significantly "
    "changed|similar in appearance] [compared to|compared with|from|since] <prior>|<name> <be> [stable|unchanged]|no "
    "[significant |]change in <name> [since|from|compared to] <prior>|[when |]compared to <prior>, <name> <be> "
    "[unchanged|stable]|<name> <have> not significantly changed [in the interval|since <prior>]|redemonstration of "
    "<name>, [unchanged|stable|without significant change]|again [noted|seen] <be> <name>, [unchanged|stable]|<name> "
    "<be> again [noted|seen|demonstrated] and [unchanged|stable]|<name> <remain> [unchanged|stable]]",
    "increased": "[there has been [an |]interval increase in <name>|<name> <have> [increased|increased] [since|"
    "compared to|"
    "in the interval since] <prior>|[when |]compared to <prior>, <name> <have> increased|interval [increase|"
    "progression] "
    "[in|of] <name>|interval worsening of <name>]",
    "decreased": "[there has been [interval|some interval] [decrease|improvement] in <name>|<name> <have> [decreased|"
    "improved] [since|compared to|in the interval since] <prior>|[when |]compared to <prior>, <name> <have> [decreased|"
    "improved]|interval [decrease|improvement] in <name>]",
    "new": "[<name> <be> new [since|compared to|from] <prior>|<name> <be> new|"
    "[when |]compared to <prior>, <name> <be> new|<name> <have> developed [since|in the interval since] <prior>]",
}
