"""The real-time clock and CMOS memory of a PC (Motorola MC146818A).

The time of day is a base given at the start plus machine time, so a run does not depend on the day it is made.
"""

from hyper.board.bus import Device
from hyper.board.clock import Timer

INDEX = 0x70                    # bit 7 masks NMI; there is none here
DATA = 0x71

SECONDS = 0x00
SECONDS_ALARM = 0x01
MINUTES = 0x02
MINUTES_ALARM = 0x03
HOURS = 0x04
HOURS_ALARM = 0x05
DAY_OF_WEEK = 0x06              # 1 is Sunday
DAY = 0x07
MONTH = 0x08
YEAR = 0x09
STATUS_A = 0x0a
STATUS_B = 0x0b
STATUS_C = 0x0c
STATUS_D = 0x0d
EQUIPMENT = 0x14
BASE_MEMORY = 0x15              # KB below 1 MB, two bytes
EXTENDED_MEMORY = 0x17          # KB above 1 MB, two bytes, and again at 0x30
EXTENDED_MEMORY_AGAIN = 0x30
CENTURY = 0x32
HIGH_MEMORY = 0x34              # 64 KB units above 16 MB, two bytes

A_UPDATING = 0x80
A_NORMAL = 0x26                 # 32768 Hz crystal, periodic rate 1024 Hz
B_SET = 0x80
B_PERIODIC = 0x40
B_ALARM = 0x20
B_UPDATE = 0x10
B_BINARY = 0x04
B_24_HOURS = 0x02
C_REQUEST = 0x80
D_VALID = 0x80
FLAGS = B_PERIODIC | B_ALARM | B_UPDATE     # the same bits enable in B and tell in C
PM = 0x80                       # of a 12-hour time
ANY = 0xc0                      # an alarm byte with both bits set matches anything

SECOND = 1000000000
UPDATING = 244000               # ns before each second for which A says that an update is near
DAY_SECONDS = 86400
CRYSTAL = 32768


def days_of(year, month, day):
    """Days from 1970-01-01 to a date of the Gregorian calendar (years counted from March make leap days last)."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1 - 719468


def date_of(days):
    """(year, month, day) of a number of days since 1970-01-01."""
    days += 719468
    era = days // 146097
    days -= era * 146097
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days -= 365 * year + year // 4 - year // 100
    month = (5 * days + 2) // 153
    day = days - (153 * month + 2) // 5 + 1
    year += era * 400
    if month < 10:
        return year, month + 3, day
    return year + 1, month - 9, day


class Due(Timer):
    def __init__(self, rtc):
        self.rtc = rtc

    def expire(self):
        self.rtc.wake()


class Rtc(Device):
    """`base` is the time at machine time 0 in seconds since 1970-01-01 UTC; `memory_size` in bytes."""

    _immutable_fields_ = ['clock', 'pic', 'irq', 'timer']

    def __init__(self, clock, pic, irq, base, memory_size):
        self.clock = clock
        self.pic = pic
        self.irq = irq
        self.base = base                # time of day minus machine time, seconds
        self.index = 0
        self.cmos = [0] * 128
        self.held = 0                   # the time of day in seconds while SET holds it
        self.checked = 0                # up to this ns the flags of C are known
        self.timer = Due(self)
        self.cmos[STATUS_A] = A_NORMAL
        self.cmos[STATUS_B] = B_24_HOURS
        self.cmos[EQUIPMENT] = 0x02     # a floating-point unit, no floppy disk, VGA
        self.store16(BASE_MEMORY, 640)
        self.store16(EXTENDED_MEMORY, self.clamp((memory_size - (1 << 20)) >> 10))
        self.store16(EXTENDED_MEMORY_AGAIN, self.clamp((memory_size - (1 << 20)) >> 10))
        self.store16(HIGH_MEMORY, self.clamp((memory_size - (16 << 20)) >> 16))

    def clamp(self, value):
        return min(max(value, 0), 0xffff)

    def store16(self, index, value):
        self.cmos[index] = value & 0xff
        self.cmos[index + 1] = value >> 8

    def connect(self, bus):
        bus.add_ports(INDEX, DATA, self)

    def reset(self):
        """The chip has a battery: a reset stops interrupts and nothing else."""
        self.cmos[STATUS_B] &= ~FLAGS
        self.cmos[STATUS_C] = 0
        self.rearm()

    # the time of day

    def seconds(self, now):
        """Seconds since 1970 that the clock shows."""
        if self.cmos[STATUS_B] & B_SET:
            return self.held
        return self.base + now // SECOND

    def code(self, value):
        if self.cmos[STATUS_B] & B_BINARY:
            return value
        return value // 10 % 10 << 4 | value % 10

    def decode(self, byte):
        if self.cmos[STATUS_B] & B_BINARY:
            return byte
        return (byte >> 4) * 10 + (byte & 15)

    def code_hour(self, hour):
        if self.cmos[STATUS_B] & B_24_HOURS:
            return self.code(hour)
        byte = self.code((hour + 11) % 12 + 1)
        if hour >= 12:
            byte |= PM
        return byte

    def decode_hour(self, byte):
        if self.cmos[STATUS_B] & B_24_HOURS:
            return self.decode(byte) % 24
        hour = self.decode(byte & ~PM) % 12
        if byte & PM:
            hour += 12
        return hour

    def read_time(self, index, seconds):
        of_day = seconds % DAY_SECONDS
        if index == SECONDS:
            return self.code(of_day % 60)
        if index == MINUTES:
            return self.code(of_day // 60 % 60)
        if index == HOURS:
            return self.code_hour(of_day // 3600)
        days = seconds // DAY_SECONDS
        if index == DAY_OF_WEEK:
            return self.code((days + 4) % 7 + 1)
        year, month, day = date_of(days)
        if index == DAY:
            return self.code(day)
        if index == MONTH:
            return self.code(month)
        if index == YEAR:
            return self.code(year % 100)
        return self.code(year // 100)

    def write_time(self, index, byte, now):
        """Sets one part of the time; an impossible date becomes the possible one that counting on gives."""
        seconds = self.seconds(now)
        of_day = seconds % DAY_SECONDS
        days = seconds // DAY_SECONDS
        second = of_day % 60
        minute = of_day // 60 % 60
        hour = of_day // 3600
        year, month, day = date_of(days)
        value = self.decode(byte)
        if index == SECONDS:
            second = value % 60
        elif index == MINUTES:
            minute = value % 60
        elif index == HOURS:
            hour = self.decode_hour(byte)
        elif index == DAY:
            day = min(max(value, 1), 31)
        elif index == MONTH:
            month = min(max(value, 1), 12)
        elif index == YEAR:
            year = year // 100 * 100 + value % 100
        elif index == CENTURY:
            year = value % 100 * 100 + year % 100
        seconds = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        self.base = seconds - now // SECOND
        self.held = seconds

    def is_time(self, index):
        return index <= YEAR and (index & 1 == 0 or index >= DAY) or index == CENTURY

    # the flags of register C

    def period(self):
        """ns between two periodic events, 0 for none."""
        rate = self.cmos[STATUS_A] & 15
        if rate == 0:
            return 0
        if rate <= 2:
            rate += 7                   # 1 and 2 give the rates of 8 and 9 with the 32768 Hz crystal
        return (SECOND << rate - 1) // CRYSTAL

    def alarm_part(self, index, shown):
        return self.cmos[index] & ANY == ANY or self.cmos[index] == shown

    def next_alarm(self, after):
        """The first second (machine time) after second `after` at which the alarm matches; -1 if none does in a day."""
        time = self.base + after + 1
        end = time + DAY_SECONDS
        while time < end:
            of_day = time % DAY_SECONDS
            if not self.alarm_part(HOURS_ALARM, self.code_hour(of_day // 3600)):
                time += 3600 - of_day % 3600
            elif not self.alarm_part(MINUTES_ALARM, self.code(of_day // 60 % 60)):
                time += 60 - of_day % 60
            elif not self.alarm_part(SECONDS_ALARM, self.code(of_day % 60)):
                time += 1
            else:
                return time - self.base
        return -1

    def catch_up(self, now):
        """Sets the flags of all that happened since the last look."""
        before = self.checked
        self.checked = now
        if now <= before:
            return
        period = self.period()
        if period > 0 and now // period > before // period:
            self.cmos[STATUS_C] |= B_PERIODIC
        if self.cmos[STATUS_B] & B_SET or now // SECOND == before // SECOND:
            return
        self.cmos[STATUS_C] |= B_UPDATE
        alarm = self.next_alarm(before // SECOND)
        if alarm >= 0 and alarm <= now // SECOND:
            self.cmos[STATUS_C] |= B_ALARM

    def wake(self):
        self.catch_up(self.timer.when)
        self.rearm()

    def rearm(self):
        """Drives the line from the flags and sets the timer for the next enabled event."""
        control = self.cmos[STATUS_B]
        due = control & self.cmos[STATUS_C] & FLAGS != 0
        self.pic.set_line(self.irq, due)
        now = self.checked
        when = -1
        period = self.period()
        if control & B_PERIODIC and period > 0:
            when = (now // period + 1) * period
        if not control & B_SET:
            second = -1
            if control & B_UPDATE:
                second = now // SECOND + 1
            elif control & B_ALARM:
                second = self.next_alarm(now // SECOND)
            if second >= 0 and (when < 0 or second * SECOND < when):
                when = second * SECOND
        if due or when < 0:             # a line that is high already cannot rise: nothing to do before C is read
            self.clock.cancel(self.timer)
        else:
            self.clock.schedule(self.timer, when)

    def read_port(self, port, size):
        if port == INDEX:
            return 0xff                 # write-only
        now = self.clock.now()
        index = self.index
        if self.is_time(index):
            return self.read_time(index, self.seconds(now))
        if index == STATUS_A:
            value = self.cmos[STATUS_A]
            if not self.cmos[STATUS_B] & B_SET and now % SECOND >= SECOND - UPDATING:
                value |= A_UPDATING
            return value
        if index == STATUS_C:
            return self.read_flags(now)
        if index == STATUS_D:
            return D_VALID
        return self.cmos[index]

    def read_flags(self, now):
        self.catch_up(now)
        flags = self.cmos[STATUS_C]
        if flags & self.cmos[STATUS_B] & FLAGS:
            flags |= C_REQUEST
        self.cmos[STATUS_C] = 0
        self.rearm()
        return flags

    def write_port(self, port, size, value):
        if port == INDEX:
            self.index = value & 0x7f
            return
        now = self.clock.now()
        index = self.index
        if self.is_time(index):
            self.write_time(index, value, now)
        elif index == STATUS_A:
            self.catch_up(now)
            self.cmos[STATUS_A] = value & ~A_UPDATING
        elif index == STATUS_B:
            self.catch_up(now)
            self.write_control(value, now)
        elif index == STATUS_C or index == STATUS_D:
            return                      # read-only
        else:
            self.catch_up(now)          # an alarm byte counts from now on
            self.cmos[index] = value
        self.rearm()

    def write_control(self, value, now):
        was_held = self.cmos[STATUS_B] & B_SET
        if value & B_SET:
            self.held = self.seconds(now)
            value &= ~B_UPDATE          # SET clears the update-ended enable
        elif was_held:
            self.base = self.held - now // SECOND
        self.cmos[STATUS_B] = value
