#!lua flags=no-writes
-- Reads a session, but for what the caller has already.
-- KEYS: session
-- ARGV: known revision
-- Answers the value; its first 28 bytes if it is at that revision; nil if there is none.
local head = redis.call('GETRANGE', KEYS[1], 0, 27)
if string.sub(head, 5, 12) == ARGV[1] then
  return head
end
return redis.call('GET', KEYS[1])
