"""
Everything that reads what others wrote, fed with what nobody in his right mind would write.

Only the errors that a reader is documented to raise may come out of it, and no answer, message or
remark may grow with what was fed. With all other tests each gets a few hundred examples, the same
each time; ``python -m tests.fuzz --minutes 30`` tries others for as long as it is told.
"""
