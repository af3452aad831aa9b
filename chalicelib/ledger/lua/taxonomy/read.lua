-- Return the terms to a process that may have a copy.
--
-- ARGV  1 generation of the caller's copy, or ''   2 a random id, if there is no generation yet
-- Returns {fresh, generation}         the copy is valid
--         {terms, generation, terms}
--         {miss, generation}          read them from Directus, then call taxonomy/store
call('HSETNX', P .. 'taxonomy', 'generation', ARGV[2])
local generation = call('HGET', P .. 'taxonomy', 'generation')
local terms = call('GET', P .. 'taxonomy:' .. generation)
if not terms then
  call('HINCRBY', P .. 'taxonomy', 'misses', 1)
  return {'miss', generation}
end
call('HINCRBY', P .. 'taxonomy', 'hits', 1)
if ARGV[1] == generation then return {'fresh', generation} end
return {'terms', generation, terms}
