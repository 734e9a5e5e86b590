"""How the findings that no picture shows are worded, and the report's other stock of patterns.

In a pattern, `[a|b|]` is one of its alternatives, which may hold patterns and may be empty. Slots: `<side>`; `<place>`,
a place in that lung ('right upper lobe'); `<deg>` and `<degly>`, how marked it is ('mild', 'mildly', or nothing);
`<stable>`, that it was there before, or nothing; `a~`, 'a' or 'an' as the next word wants it. A sentence has neither
capital nor full stop. Where a finding has one wording with a side and another without, the latter stands under its
name with `_unsided`.
"""

from __future__ import annotations

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
        "[the |]thoracic aorta is tortuous and calcified|calcified [thoracic |]aorta|aortic atherosclerosis|aortic "
        "atherosclerotic [calcification|calcifications|disease]|atherosclerotic vascular calcification|there is "
        "[calcification|atherosclerosis|calcific plaque] of the [aortic arch|aortic knob|aorta]|calcifications of "
        "the aortic [arch|knob]|aortic calcification|atherosclerotic aorta]"
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
        "of] the thoracic spine|degenerative [spondylosis|osteophytes] of the thoracic spine|flowing osteophytes "
        "along the [anterior |]thoracic spine, [consistent with|suggestive of] DISH|<deg> disc space narrowing in "
        "the [thoracic|mid thoracic|lower thoracic] spine|the [thoracic |]spine [has|shows|demonstrates] <deg> "
        "degenerative changes|[the |]bony structures show <deg> [degenerative|arthritic] changes|there are "
        "[minimal|scattered|some|multilevel|<deg>] degenerative changes of the spine]"
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
        "[there are |]<stable> [scattered |small |a few |several |]calcified [granulomas|granulomata] [in|within|"
        "throughout] the <place>|calcified [granuloma|granulomas] [in|overlying] the <place>|<place> calcified "
        "granuloma [is noted|is seen|is present|is again noted|]|[there is |]evidence of [prior|old|previous|"
        "remote] granulomatous [disease|infection] in the <place>|[round|rounded|5 mm|dense|small|"
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
        "[[the |][lungs|lungs|lung volumes] are <degly> [hyperinflated|hyperexpanded|hyperinflated|hyperexpanded][|"
        " with flattening of the [diaphragms|hemidiaphragms|diaphragm]| with flattened [diaphragms|hemidiaphragms]|"
        ", [consistent with|compatible with|suggesting|suggestive of] [COPD|emphysema|obstructive lung disease|"
        "chronic obstructive pulmonary disease]| bilaterally]|<stable> [<degly>|<degly>|chronically] "
        "[hyperexpanded|hyperinflated] lungs|<stable> <deg> [hyperinflation|hyperexpansion] of the lungs [is noted|"
        "]|there is <stable> <deg> [hyperinflation|hyperexpansion|hyperaeration] [of the lungs|of both lungs|] "
        "[with flattening of the [diaphragm|diaphragms|hemidiaphragms]|]|[there is |]flattening of the [diaphragms|"
        "diaphragm|hemidiaphragms] [and an increased retrosternal airspace|with increased retrosternal lucency|] "
        "[consistent with|compatible with|suggesting|suggestive of|which suggests] [COPD|hyperinflation|"
        "obstructive lung disease|air trapping]|[the |]lungs are <degly> [hyperinflated|hyperexpanded] but "
        "otherwise [clear of infiltrate|without acute abnormality]|lung volumes are increased[, compatible with "
        "COPD|]]"
    ),
    "emphysema": (
        "[[there are |]<stable> [<deg>|chronic|severe] emphysematous [changes|lung changes] [of the lungs|of both "
        "lungs|in the upper lobes|in both lung apices|bilaterally|throughout the lungs|]|<stable> <deg> emphysema "
        "[is noted|]|[the |]lungs are <degly> [hyperexpanded|hyperinflated|hyperlucent] with emphysematous changes|"
        "[the |]lungs are [hyperexpanded|hyperinflated], [consistent|compatible] with <deg> emphysema|[there is |"
        "]<deg> [bullous|apical bullous|upper lobe] [emphysema|disease|emphysematous change]|[there are |][changes "
        "of|findings of] <deg> [emphysema|COPD|chronic obstructive pulmonary disease|chronic obstructive lung "
        "disease]|hyperinflated lungs with flattened [diaphragms|hemidiaphragms][, consistent with|, compatible "
        "with| consistent with| suggesting| suggestive of] <deg> emphysema|chronic [obstructive |]lung disease "
        "with emphysematous change|apical [bullae|blebs] [are noted|] [in keeping with|consistent with] emphysema]"
    ),
    "bronchitis": (
        "[[there are |]<stable> chronic [bronchitic|bronchial|inflammatory] changes [bilaterally|of the lungs|]|"
        "<deg> [peribronchial|bronchial wall] [thickening|cuffing] [is noted|is seen|centrally|]|[there is |]<deg> "
        "central [peribronchial|bronchial wall|airways] thickening[, which may represent bronchitis|, suggestive "
        "of bronchitis|, compatible with airways disease|]|<stable> chronic [lung|airways|bronchitic] disease [is "
        "noted|]|chronic bronchitic changes [throughout|in] both lungs]"
    ),
    "low_lung_volumes": (
        "[[the |]lung volumes are <degly> low|<stable> [<degly> |]low lung volumes [are present|are noted|"
        "bilaterally||]|low lung volumes with [bronchovascular crowding|central bronchovascular crowding|crowding "
        "of the bronchovascular markings|crowding of the bronchovascular structures]|there are <degly> low lung "
        "volumes [with bronchovascular crowding|causing bronchovascular crowding|and bronchovascular crowding|"
        "bilaterally|]|[the |]lungs are <degly> [hypoinflated|hypoinflated|underinflated|hypoventilated][ with "
        "bronchovascular crowding| with crowding of the bronchovascular markings|]|[there is |]<deg> hypoinflation "
        "[of the lungs|] [with bronchovascular crowding|]|[shallow|low] inspiratory [effort|volumes]|[the |]lung "
        "volumes are <degly> [reduced|decreased|low with central bronchovascular crowding]|<degly> hypoinflated "
        "lungs|bronchovascular crowding [is noted|] [from|due to|secondary to|related to] low lung volumes|<deg> "
        "[bibasilar|] hypoventilation [is noted|]|<degly> decreased lung volumes]"
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
        "arteries|hila|hilar structures|hilar contours] [is noted|bilaterally|]|[the |][pulmonary arteries|central "
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
        "arm|upper extremity] PICC [line|catheter|] [tip|with tip] [overlies|at|overlying|terminates in|"
        "terminating in|projects over|in] the [cavoatrial junction|distal SVC|mid SVC|superior vena cava|SVC|caval "
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
