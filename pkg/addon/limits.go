package addon

import "fmt"

// Limits bound what Load and ReadArchive accept, so that a hostile add-on costs little.
type Limits struct {
	Archive int64 // bytes of a packed archive
	Total   int64 // bytes of all files together
	File    int64 // bytes of one file
	Entries int   // files and directories
	Depth   int   // directories above a file
	Ratio   int64 // unpacked bytes per packed byte, once more than 1 MiB is unpacked
}

// DefaultLimits are well above any real add-on (the broker stores charts below 1.5 MiB).
func DefaultLimits() Limits {
	return Limits{Archive: 16 << 20, Total: 64 << 20, File: 5 << 20, Entries: 10_000, Depth: 32, Ratio: 200}
}

// budget counts what has been read against limits.
type budget struct {
	limits  Limits
	total   int64
	entries int
}

func (b *budget) entry(name string, depth int) error {
	b.entries++
	if b.entries > b.limits.Entries {
		return fmt.Errorf("more than %d files and directories; remove what does not belong to the add-on", b.limits.Entries)
	}
	if depth > b.limits.Depth {
		return fmt.Errorf("%s: more than %d directories deep; make the tree flatter", name, b.limits.Depth)
	}
	return nil
}

func (b *budget) file(name string, size int64) error {
	if size > b.limits.File {
		return fmt.Errorf("%s: larger than %d bytes; remove it or make it smaller", name, b.limits.File)
	}
	b.total += size
	if b.total > b.limits.Total {
		return fmt.Errorf("%s: more than %d bytes in total; remove what does not belong to the add-on", name, b.limits.Total)
	}
	return nil
}
