package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kinds of packets.
const (
	kindConnect    = 1
	kindConnack    = 2
	kindPublish    = 3
	kindPuback     = 4
	kindPubrec     = 5
	kindPubrel     = 6
	kindPubcomp    = 7
	kindSubscribe  = 8
	kindSuback     = 9
	kindPingreq    = 12
	kindPingresp   = 13
	kindDisconnect = 14
)

// maxReceived bounds the packets that a server sends: it has nothing but acknowledgements to say.
const maxReceived = 64 << 10

// packet is a control packet: its kind, the four flags beside it, and all after the length.
type packet struct {
	kind, flags byte
	body        []byte
}

// encode writes the packet as it goes over the wire.
func (p packet) encode() []byte {
	text := []byte{p.kind<<4 | p.flags}
	for length := len(p.body); ; {
		digit := byte(length % 128)
		if length /= 128; length > 0 {
			digit |= 128
		}
		text = append(text, digit)
		if length == 0 {
			return append(text, p.body...)
		}
	}
}

// read reads one packet.
func read(r *bufio.Reader) (packet, error) {
	first, err := r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	length := 0
	for shift := 0; ; shift += 7 {
		digit, err := r.ReadByte()
		switch {
		case err != nil:
			return packet{}, cut(err)
		case shift > 21:
			return packet{}, errors.New("the length of a packet has more than four bytes")
		}
		length |= int(digit&127) << shift
		if digit&128 == 0 {
			break
		}
	}
	if length > maxReceived {
		return packet{}, fmt.Errorf("the server sent a packet of %d bytes", length)
	}
	p := packet{kind: first >> 4, flags: first & 15, body: make([]byte, length)}
	_, err = io.ReadFull(r, p.body)
	return p, cut(err)
}

// cut makes an end within a packet an unexpected one.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// id is the packet id of an acknowledgement.
func (p packet) id() (uint16, error) {
	if len(p.body) < 2 {
		return 0, fmt.Errorf("a packet of kind %d has no packet id", p.kind)
	}
	return binary.BigEndian.Uint16(p.body), nil
}

// appendText appends a text with its length before it.
func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}
