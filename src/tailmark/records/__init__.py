"""The waist: what one half of tailmark writes and the other half reads.

`model` holds the facts in memory, `store` puts them on disk, `environment` is everything that
made the numbers.
"""
