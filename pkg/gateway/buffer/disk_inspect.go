package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The parts of bbolt's file format (version 2) that decide whether it can be opened safely. Numbers are in
// the machine's byte order; Go's supported servers are little-endian.
const (
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	pageHeader   = 16
	elementSize  = 16
	pageBranch   = 0x01
	pageLeaf     = 0x02
	leafIsBucket = 0x01
	bucketHeader = 16
	maxDepth     = 64
)

// inspect walks over the pages of a store before bbolt opens it. bbolt follows page numbers and offsets
// without looking; on a damaged file it would end the whole process.
func inspect(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	i := &inspector{file: f, size: info.Size()}
	root, err := i.meta()
	if err != nil {
		return err
	}
	i.seen = make([]uint64, i.pages/64+1)
	return i.tree(root, 0)
}

type inspector struct {
	file     io.ReaderAt
	size     int64
	pageSize int64
	pages    uint64 // the high-water mark of page numbers
	seen     []uint64
	buffers  [][]byte // a page for each depth
}

// meta finds the newer of the two meta pages whose checksum holds, and in it the page size and the root.
func (i *inspector) meta() (root uint64, err error) {
	found, newest := false, uint64(0)
	// The second meta page is one page on, and the page size is a power of two.
	for offset := int64(0); offset <= 64<<10; {
		buf := make([]byte, pageHeader+64)
		if _, err := i.file.ReadAt(buf, offset); err == nil {
			m := buf[pageHeader:]
			h := fnv.New64a()
			_, _ = h.Write(m[:56])
			if binary.LittleEndian.Uint32(m) == boltMagic && binary.LittleEndian.Uint32(m[4:]) == boltVersion && h.Sum64() == binary.LittleEndian.Uint64(m[56:]) {
				if txid := binary.LittleEndian.Uint64(m[48:]); !found || txid > newest {
					found, newest = true, txid
					i.pageSize = int64(binary.LittleEndian.Uint32(m[8:]))
					root, i.pages = binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[40:])
				}
			}
		}
		if offset == 0 {
			offset = 512
		}
		offset *= 2
	}
	switch {
	case !found:
		return 0, errors.New("no valid head page")
	case i.pageSize < 1024 || i.pageSize > 64<<10 || i.pages > uint64(i.size/i.pageSize):
		return 0, errors.New("its head page does not fit the file: it was cut off")
	}
	return root, nil
}

// tree checks the page of a tree and everything below it.
func (i *inspector) tree(number uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is too deep", number)
	}
	page, err := i.page(number, depth)
	if err != nil {
		return err
	}
	return i.elements(page, number, depth)
}

// page reads a page with its overflow and marks it as used.
func (i *inspector) page(number uint64, depth int) ([]byte, error) {
	if number < 2 || number >= i.pages {
		return nil, fmt.Errorf("page %d is outside the file", number)
	}
	for len(i.buffers) <= depth {
		i.buffers = append(i.buffers, make([]byte, i.pageSize))
	}
	page := i.buffers[depth] // what is above it is still in use
	if _, err := i.file.ReadAt(page, int64(number)*i.pageSize); err != nil {
		return nil, err
	}
	overflow := uint64(binary.LittleEndian.Uint32(page[12:]))
	if binary.LittleEndian.Uint64(page) != number || number+overflow >= i.pages {
		return nil, fmt.Errorf("page %d has a damaged header", number)
	}
	for n := number; n <= number+overflow; n++ {
		if i.seen[n/64]&(1<<(n%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		i.seen[n/64] |= 1 << (n % 64)
	}
	if overflow == 0 {
		return page, nil
	}
	page = make([]byte, (int64(overflow)+1)*i.pageSize)
	if _, err := i.file.ReadAt(page, int64(number)*i.pageSize); err != nil {
		return nil, err
	}
	return page, nil
}

// elements checks the elements of a page: offsets inside the page, keys in order, children sound.
func (i *inspector) elements(page []byte, number uint64, depth int) error {
	flags, count := binary.LittleEndian.Uint16(page[8:]), int(binary.LittleEndian.Uint16(page[10:]))
	if flags != pageBranch && flags != pageLeaf || pageHeader+count*elementSize > len(page) || flags == pageBranch && count == 0 {
		return fmt.Errorf("page %d has a damaged header", number)
	}
	var previous []byte
	for n := range count {
		at := pageHeader + n*elementSize
		e := page[at : at+elementSize]
		var pos, keySize, valueSize uint32
		if flags == pageBranch {
			pos, keySize = binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
		} else {
			pos, keySize, valueSize = binary.LittleEndian.Uint32(e[4:]), binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])
		}
		start := int64(at) + int64(pos)
		middle, end := start+int64(keySize), start+int64(keySize)+int64(valueSize)
		if end > int64(len(page)) || start < int64(pageHeader+count*elementSize) {
			return fmt.Errorf("page %d has a damaged element", number)
		}
		key := page[start:middle]
		if n > 0 && bytes.Compare(previous, key) >= 0 {
			return fmt.Errorf("page %d has keys out of order", number)
		}
		previous = key
		if err := i.child(flags, e, page[middle:end], number, depth); err != nil {
			return err
		}
	}
	return nil
}

// child checks what an element leads to: a page below, or a bucket, which may stand in the element itself.
func (i *inspector) child(flags uint16, element, value []byte, number uint64, depth int) error {
	if flags == pageBranch {
		return i.tree(binary.LittleEndian.Uint64(element[8:]), depth+1)
	}
	if binary.LittleEndian.Uint32(element)&leafIsBucket == 0 {
		return nil
	}
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d has a damaged bucket", number)
	}
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		return i.tree(root, depth+1)
	}
	if len(value) < bucketHeader+pageHeader {
		return fmt.Errorf("page %d has a damaged bucket", number)
	}
	return i.elements(value[bucketHeader:], number, depth+1)
}
