#!lua flags=allow-oom
-- Removes a session.
-- KEYS: session
-- ARGV: now, channel or '', announcement
-- Answers 1 if it was there, alive, else 0.
-- Whatever lies there goes: what is no session is none after this, either.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 27)
local removed = redis.call('DEL', KEYS[1])
if type(head) == 'string' and #head == 28 then
  local idle, absolute = struct.unpack('>i8i8', head, 13)
  if tonumber(ARGV[1]) >= math.min(idle, absolute) then
    removed = 0
  end
end
if ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return removed
