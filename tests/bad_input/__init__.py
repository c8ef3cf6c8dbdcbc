"""The sweep over the public interface with one argument after another spoiled.

``subjects`` and the modules that it names have a valid call of every public function, method and
layer, ``corruptions`` what takes the place of an argument, ``contract`` what must hold afterwards.
``edges`` has results for nothing, for one number and for extreme ones.
"""
