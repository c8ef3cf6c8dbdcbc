"""The sweep over the public interface with one argument after another spoiled.

``subjects`` has a valid call of every public function, method and layer, ``corruptions`` what
takes the place of an argument, ``contract`` what must hold afterwards.
"""
