#!/usr/bin/env python3
"""Fits the polynomial of cpu/math-inl.h: Phi(-u) = exp(-u^2 / 2) t P(t), t = 1 / (1 + 0.35 u), u in [0, 14].

Abramowitz and Stegun 7.1.26 has this form with five terms; nine bring the relative error below float32's.
Prints the coefficients, lowest first, and the largest relative error.    Needs numpy, scipy.
"""
import numpy as np
from scipy.special import erfcx

SLOPE, DEGREE = 0.35, 8
u = np.concatenate([np.linspace(0, 8, 4000), np.linspace(8, 14, 500)])
target = 0.5 * erfcx(u / np.sqrt(2))  # Phi(-u) exp(u^2 / 2)
t = 1 / (1 + SLOPE * u)
terms = np.stack([t ** (k + 1) for k in range(DEGREE + 1)], 1) / target[:, None]

weights = np.ones_like(u)
for _ in range(300):  # Lawson: least squares with weights that grow where the error is largest
    root = np.sqrt(weights)
    coefficients, *_ = np.linalg.lstsq(terms * root[:, None], root, rcond=None)
    error = np.abs(terms @ coefficients - 1)
    weights *= error / error.max() + 1e-3
    weights /= weights.mean()
for value in coefficients:
    print(f"{value:.9e}f")
print("largest relative error", error.max())
