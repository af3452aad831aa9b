-- Store models, and where the history was read to. New names are refused when there are many.
--
-- ARGV  1 cursor   2... name, model, ...
local MODELS_MAX = 1000
local estimates = P .. 'estimates'
local room = MODELS_MAX - call('HLEN', estimates)
call('HSET', estimates, 'cursor', ARGV[1])
for i = 2, #ARGV, 2 do
  local is_new = call('HEXISTS', estimates, ARGV[i]) == 0
  if not is_new or room > 0 then call('HSET', estimates, ARGV[i], ARGV[i + 1]) end
  if is_new then room = room - 1 end
end
return {'ok'}
