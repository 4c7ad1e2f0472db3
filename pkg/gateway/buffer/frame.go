package buffer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Everything that Disk keeps is framed, so that a damaged value is noticed wherever the damage is, and so
// that values can be found without the file's structure:
//
//	"KCB1" kind 0 0 0 | key (8) | low (8) | length (4) | checksum (4) | payload
//
// The checksum covers everything else. Key is the value's key in its bucket; low, in events, is the oldest
// event that was not settled when this one was written: salvage leaves out what is older.
type frame struct {
	kind    byte
	key     uint64
	low     uint64
	payload []byte
}

const (
	frameMagic  = "KCB1"
	frameHeader = 32
	// maxFrame bounds what salvage believes of a length.
	maxFrame = 64 << 20

	kindEvent    = 'E' // a gateway.Record
	kindProgress = 'P' // which events of a record are settled
	kindDead     = 'D' // a gateway.Record with one entry
	kindIDs      = 'I' // when, and ids
	kindDamaged  = 'X' // what was found damaged, as it was
	kindSettled  = 'S' // numbers of records; in a journal
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged: its checksum does not hold")

// newFrame begins a frame in dst; append the payload, then seal it.
func newFrame(dst []byte, kind byte) []byte {
	dst = append(dst, frameMagic...)
	dst = append(dst, kind, 0, 0, 0)
	return append(dst, make([]byte, frameHeader-8)...)
}

// seal fills in the rest of a frame that has its payload.
func seal(f []byte, key, low uint64) []byte {
	binary.BigEndian.PutUint64(f[8:], key)
	binary.BigEndian.PutUint64(f[16:], low)
	binary.BigEndian.PutUint32(f[24:], uint32(len(f)-frameHeader))
	binary.BigEndian.PutUint32(f[28:], checksum(f))
	return f
}

func checksum(f []byte) uint32 {
	return crc32.Update(crc32.Checksum(f[:28], castagnoli), castagnoli, f[frameHeader:])
}

// parseFrame reads the frame at the start of data.
func parseFrame(data []byte) (frame, error) {
	n, ok := frameLength(data)
	if !ok || n > len(data) {
		return frame{}, errDamaged
	}
	f := data[:n]
	if checksum(f) != binary.BigEndian.Uint32(f[28:]) {
		return frame{}, errDamaged
	}
	return frame{kind: f[4], key: binary.BigEndian.Uint64(f[8:]), low: binary.BigEndian.Uint64(f[16:]), payload: f[frameHeader:]}, nil
}

// frameLength is the length of the frame whose header starts data, as far as the header can be believed.
func frameLength(data []byte) (int, bool) {
	if len(data) < frameHeader || string(data[:4]) != frameMagic {
		return 0, false
	}
	n := binary.BigEndian.Uint32(data[24:])
	return frameHeader + int(n), n <= maxFrame
}

// openFrame reads the value of a key: it must be the whole value, of that kind, and written for that key.
func openFrame(kind byte, key uint64, value []byte) (frame, error) {
	f, err := parseFrame(value)
	if err != nil || f.kind != kind || f.key != key || len(value) != frameHeader+len(f.payload) {
		return frame{}, errDamaged
	}
	return f, nil
}

func keyBytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func keyNumber(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
