"""What must happen at once in Redis, as its own scripts. The first key is the stream, the second its dead letters.

A message is one entry with one field, ``m``. It is deleted when it is acknowledged, so the length of the stream is what
still has to be done: whoever wants to keep a history writes it in a step.
"""

from __future__ import annotations

from typing import Final

PUT: Final = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
"""
"""max_length, payload → id, or nil when the stream is full."""

JOIN: Final = """
local others = {}
local known = false
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if group[2] == ARGV[1] then known = true else table.insert(others, group[2]) end
  end
end
if #others > 0 then return others end
if not known then redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM') end
for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if one[4] == 0 and one[6] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one[2])
  end
end
return others
"""
"""group, milliseconds → the other groups of the stream, with which it cannot be shared. Makes the group, which gets all
that is in the stream already, and strikes off consumers that hold nothing and were not seen for that long."""

CLAIM: Final = """
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local claimed = {}
for _, entry in ipairs(found[2]) do
  if entry then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    table.insert(claimed, {entry[1], entry[2][2], pending[1][4]})
  end
end
return {found[1], claimed}
"""
"""group, consumer, milliseconds, cursor, count → next cursor, and (id, payload, deliveries) of messages whose consumers
did not say for that long that they are still at work on them."""

AGAIN: Final = """
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #pending == 0 then return false end
local found = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3])
if #found == 0 or not found[1] then return false end
return {found[1][1], found[1][2][2], pending[1][4] + 1}
"""
"""group, consumer, id → (id, payload, deliveries): delivers a message to its consumer once more; nil when another
consumer has it by now."""

KEEP: Final = """
for i = 4, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #pending > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
  end
end
"""
"""group, consumer, milliseconds, ids: says when the consumer was last at work on them: 0 for now, or long enough ago
that another may claim them."""

ACKNOWLEDGE: Final = """
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
"""
"""group, id."""

BURY: Final = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local letter = {}
for i = 4, #ARGV do table.insert(letter, ARGV[i]) end
redis.call('XADD', KEYS[2], '*', unpack(letter))
return 1 + redis.call('XTRIM', KEYS[2], 'MAXLEN', '=', ARGV[3])
"""
"""group, id, dead letters kept, fields and values of the letter → 0: somebody else was done with it; 1: a dead letter;
more: as many older ones were thrown away, and one."""

REPLAY: Final = """
if redis.call('XDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
return 1
"""
"""id of the letter, payload → whether it was there."""

LEAVE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1
  and #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""
"""group, consumer: strikes off a consumer that holds nothing. With one that holds messages, they would be lost."""
