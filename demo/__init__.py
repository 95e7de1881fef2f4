"""The demo's world: real flights out of New York in 2013, two models, and the days they lived through."""
