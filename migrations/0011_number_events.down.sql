-- Leaves the numbers as they are: they are right, every release can go on from them, and the wrong ones were never kept.
-- What an older release then numbers wrongly is put right when this is applied again.
SELECT 1;
