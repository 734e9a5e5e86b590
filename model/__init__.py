"""Everything with torch. Knows no Gradio and no DICOM."""

import os

# Torch's threads wait for each other by spinning, and spin for long. On two cores a denoising step of a whole report
# took 32 ms so; with one busy program beside it, 400 ms. After a short spin they sleep: 35 ms, and 83 ms. Read when
# torch is loaded, hence here.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
