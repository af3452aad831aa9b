-- Return models: '' for one that does not exist.
--
-- ARGV  1... names
if #ARGV == 0 then return {} end
local found = call('HMGET', P .. 'estimates', unpack(ARGV))
for i = 1, #found do found[i] = found[i] or '' end
return found
