"""Sight: the vision tower learns from real labels, masks and painted findings before anything is written.

Convolutional teachers learn from few and noisy labels what a transformer from nothing does not; the tower then learns
from the teachers, on as many varied pictures as time allows (Beyer et al., "Knowledge distillation: a good teacher is
patient and consistent", CVPR 2022). What the teachers make of pictures that they never saw completes the labels.
"""
