"""Writes a .npy file of f32 zeros to standard output: zeros.py SIZE.."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from formats import *

shape = tuple(int(a) for a in sys.argv[1:])
count = 1
for size in shape:
    count *= size
sys.stdout.buffer.write(npy("<f4", shape, floats(*[0.0] * count)))
