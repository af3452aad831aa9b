-- Return the charges of a user in a cycle.
--
-- ARGV  1 user   2 cycle   3... the operations
-- Returns for each operation: charged here, and counted by Directus ('': not counted yet)
local answer = {}
local usage = P .. 'usage:' .. ARGV[1] .. ':' .. ARGV[2]
for i = 3, #ARGV do
  local found = call('HMGET', usage, ARGV[i], ARGV[i] .. ':seed')
  table.insert(answer, found[1] or 0)
  table.insert(answer, found[2] or '')
end
return answer
