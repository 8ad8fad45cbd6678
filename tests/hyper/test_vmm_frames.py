from hyper.board.memory import Memory
from hyper.vmm.frames import FRAME, FrameAllocator, NONE


def allocator(frames=16, first=2):
    return FrameAllocator(Memory(frames * FRAME), first * FRAME)


def test_frames_are_given_out_once_each_until_none_is_left():
    frames = allocator()
    taken = [frames.take() for k in range(14)]
    assert sorted(taken) == [k * FRAME for k in range(2, 16)]
    assert frames.free() == 0 and frames.take() == NONE


def test_a_frame_that_comes_back_is_cleared_and_given_out_again():
    frames = allocator()
    taken = [frames.take() for k in range(14)]
    frames.memory.write32(taken[3] + 8, 0x1234)
    frames.give_back(taken[3])
    assert frames.free() == 1
    assert frames.take() == taken[3]
    assert frames.memory.read32(taken[3] + 8) == 0


def test_a_range_is_aligned_and_what_it_leaves_out_is_given_out_singly():
    frames = allocator()
    assert frames.take_range(4, 4 * FRAME) == 4 * FRAME
    assert frames.free() == 10
    assert sorted(frames.take() for k in range(10)) == [2 * FRAME, 3 * FRAME] + [k * FRAME for k in range(8, 16)]


def test_a_range_that_does_not_fit_takes_nothing():
    frames = allocator()
    for count in (15, 0, -1, 1 << 40):
        assert frames.take_range(count, FRAME) == NONE
    assert frames.take_range(1, 16 * FRAME) == NONE
    assert frames.free() == 14
