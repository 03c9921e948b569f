"""Exports of labelling tools, made a data set of the layout `folder`: pictures, label maps and a taxonomy.

`forms` recognises an export, a module for each tool reads it, `canvas` draws its objects, `convert` writes the set.
"""
