#!lua
-- Writes a node's heartbeat, sends it its echo, and reads the epoch of the namespace.
-- KEYS: heartbeat, epoch
-- ARGV: number, ms for which a heartbeat is kept, channel of the echo, an epoch in case there is none,
--       '1' in a Cluster
-- Answers the epoch; in a Cluster also what this server says about itself in CLUSTER NODES.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local epoch = redis.call('GET', KEYS[2])
if not epoch then
  epoch = ARGV[4]
  redis.call('SET', KEYS[2], epoch)
end
redis.call('PUBLISH', ARGV[3], ARGV[1])
if ARGV[5] ~= '1' then
  return {epoch}
end
for line in string.gmatch(redis.call('CLUSTER', 'NODES'), '[^\n]+') do
  if string.find(line, 'myself', 1, true) then
    return {epoch, line}
  end
end
return {epoch, ''}
