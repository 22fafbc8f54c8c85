"""COCO's detection metrics, exact at every deadline: boxes are matched once, then only counted."""
