"""The floor inside other frameworks: their agent speaks, ours decides who may."""
