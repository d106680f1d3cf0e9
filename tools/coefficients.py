#!/usr/bin/env python3
"""Prints the polynomial coefficients of lib/num/poly.h: minimax fits by Remez exchange, rounded to f32.

Needs mpmath and numpy. Run it to check the header or to try other degrees and intervals.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40
GRID = 2000


def remez(f, terms, lo, hi, weight):
    """c minimizing max |(sum c_i x^i - f(x)) weight(x)| on [lo, hi], and that maximum."""
    grid = [lo + (hi - lo) * (1 - mp.cos(mp.pi * i / GRID)) / 2 for i in range(GRID + 1)]
    fx, wx = [f(x) for x in grid], [weight(x) for x in grid]
    at = [round(GRID * i / terms) for i in range(terms + 1)]
    for _ in range(20):
        a, b = mp.matrix(terms + 1, terms + 1), mp.matrix(terms + 1, 1)
        for row, i in enumerate(at):
            for c in range(terms):
                a[row, c] = grid[i] ** c
            a[row, terms] = (-1) ** row / wx[i]
            b[row] = fx[i]
        c = list(mp.lu_solve(a, b))[:terms]
        err = [(mp.polyval(c[::-1], x) - y) * w for x, y, w in zip(grid, fx, wx)]
        peaks, cur = [], 0
        for i in range(1, GRID + 1):
            if err[i] * err[cur] <= 0:
                peaks.append(cur)
                cur = i
            elif abs(err[i]) > abs(err[cur]):
                cur = i
        peaks.append(cur)
        while len(peaks) > terms + 1:
            peaks.pop(0 if abs(err[peaks[0]]) < abs(err[peaks[-1]]) else -1)
        if len(peaks) <= terms or peaks == at:
            break
        at = peaks
    return c, max(map(abs, err))


def near_zero(g, limit):
    """g with its limit at 0 filled in."""
    return lambda x: limit if abs(x) < mp.mpf(10) ** -9 else g(x)


def show(name, first, fit):
    c, err = fit
    print(f"/* {name}: error 2^{mp.nstr(mp.log(err, 2), 4)} */")
    for i, v in enumerate(c):
        print(f"#define QN_{name}_C{i + first} {float(np.float32(float(v))).hex()}f")


tiny = mp.mpf(10) ** -7
r = mp.log(2) / 2
show("EXP", 2, remez(near_zero(lambda x: (mp.e**x - 1 - x) / x**2, mp.mpf(1) / 2), 5, -r, r,
                     near_zero(lambda x: x**2 / mp.e**x, mp.mpf(10) ** -12)))
show("LOG", 3, remez(near_zero(lambda x: (mp.log(1 + x) - x + x * x / 2) / x**3, mp.mpf(1) / 3), 8,
                     mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1,
                     near_zero(lambda x: abs(x**3 / mp.log(1 + x)), mp.mpf(10) ** -12)))
show("TANH", 0, remez(lambda u: (mp.tanh(mp.sqrt(u)) / mp.sqrt(u) - 1) / u, 5, tiny, mp.mpf(5) ** 2 / 64,
                      lambda u: u * mp.sqrt(u) / mp.tanh(mp.sqrt(u))))
show("ERF", 0, remez(lambda u: mp.erf(mp.sqrt(u)) / mp.sqrt(u) - 1, 7, tiny, mp.mpf(1),
                     lambda u: mp.sqrt(u) / mp.erf(mp.sqrt(u))))
show("ERFC", 0, remez(lambda a: mp.log(mp.erfc(a)), 7, mp.mpf(1), mp.mpf(4), mp.erfc))
