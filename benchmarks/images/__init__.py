"""The scores of images, by what they compare; `benchmarks.image_scores` has them all."""
