"""Engines behind one protocol: llama.cpp embedded, vLLM as a subprocess, and a scripted stub for tests."""
