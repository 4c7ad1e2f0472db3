package mqtt

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// maxControl bounds every packet that is not a message.
	maxControl = 16 << 10
	// maxSkipped bounds a message of which only the beginning is kept: one that is larger than what is taken
	// never gets through, and its client would repeat it for ever.
	maxSkipped = 16 << 20
)

var (
	errTooLarge = errors.New("the packet is larger than can be taken")
	errCut      = errors.New("the message is larger than can be taken: only its beginning is kept")
	errNoRoom   = errors.New("more is held than can be taken at once")
	errVersion  = errors.New("want MQTT 3.1.1")
	errKind     = errors.New("not a packet of a client that only publishes")
	errSurplus  = errors.New("malformed packet: bytes behind its end")
)

// malformed is a packet that breaks the protocol.
type malformed struct{ err error }

// Error implements error.
func (m *malformed) Error() string { return m.err.Error() }

// packet is one packet of a client.
type packet struct {
	packets.Packet
	// held is what its body takes of the memory for all.
	held int
	// cut says that the message was too large and only its beginning was read.
	cut bool
}

// limits are those of reading a packet.
type limits struct {
	maxMessage int64
	// reserve asks for memory, release gives it back.
	reserve func(int) bool
	release func(int)
}

// readPacket reads the next packet. The caller releases what it holds.
func readPacket(in *bufio.Reader, l limits) (*packet, error) {
	first, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	p := &packet{}
	if err := p.FixedHeader.Decode(first); err != nil {
		return nil, &malformed{err}
	}
	size, _, err := packets.DecodeLength(in)
	switch {
	case errors.Is(err, packets.ErrMalformedVariableByteInteger):
		return nil, &malformed{err}
	case err != nil:
		return nil, err
	}
	p.FixedHeader.Remaining = size
	limit := int64(maxControl)
	if p.FixedHeader.Type == packets.Publish {
		limit = l.maxMessage
	}
	skip := int64(size) - limit
	if skip > 0 {
		if p.FixedHeader.Type != packets.Publish || size > maxSkipped {
			return nil, errTooLarge
		}
		p.cut, size = true, int(limit)
	}
	if !l.reserve(size) {
		return nil, errNoRoom
	}
	p.held = size
	if err := p.readBody(in, size, skip); err != nil {
		l.release(size)
		return nil, err
	}
	return p, nil
}

func (p *packet) readBody(in io.Reader, size int, skip int64) error {
	body := make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if p.cut {
		if _, err := io.CopyN(io.Discard, in, skip); err != nil {
			return err
		}
	}
	return p.decode(body)
}

func (p *packet) decode(body []byte) error {
	var err error
	switch p.FixedHeader.Type {
	case packets.Connect:
		if !supported(body) {
			return errVersion
		}
		err = p.ConnectDecode(body)
		if err == nil {
			err = asError(p.ConnectValidate())
		}
	case packets.Publish:
		err = p.PublishDecode(body)
		if err == nil {
			err = asError(p.PublishValidate(0))
		}
	case packets.Pubrel:
		err = p.PubrelDecode(body)
	case packets.Subscribe:
		err = p.SubscribeDecode(body)
		if err == nil {
			err = asError(p.SubscribeValidate())
		}
	case packets.Unsubscribe:
		err = p.UnsubscribeDecode(body)
		if err == nil {
			err = asError(p.UnsubscribeValidate())
		}
	case packets.Pingreq, packets.Disconnect:
		if len(body) > 0 {
			err = errSurplus
		}
	default:
		err = errKind
	}
	if err != nil {
		return &malformed{err}
	}
	return nil
}

// supported looks at the protocol's name and level in a CONNECT: 3.1.1, and 3.1, which a client that only
// publishes speaks the same way.
func supported(body []byte) bool {
	return bytes.HasPrefix(body, []byte("\x00\x04MQTT\x04")) || bytes.HasPrefix(body, []byte("\x00\x06MQIsdp\x03"))
}

func asError(c packets.Code) error {
	if c == packets.CodeSuccess {
		return nil
	}
	return c
}

// connack answers a CONNECT.
func connack(code byte) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ReasonCode: code}
}

// acknowledgement is a packet that has just an identifier.
func acknowledgement(kind byte, id uint16) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
}

// suback grants every subscription as it was asked for; nothing will ever come of it.
func suback(p *packet) packets.Packet {
	out := acknowledgement(packets.Suback, p.PacketID)
	for _, f := range p.Filters {
		out.ReasonCodes = append(out.ReasonCodes, f.Qos)
	}
	return out
}

// encode writes a packet of a server.
func encode(p packets.Packet) ([]byte, error) {
	var out bytes.Buffer
	var err error
	switch p.FixedHeader.Type {
	case packets.Connack:
		err = p.ConnackEncode(&out)
	case packets.Puback:
		err = p.PubackEncode(&out)
	case packets.Pubrec:
		err = p.PubrecEncode(&out)
	case packets.Pubcomp:
		err = p.PubcompEncode(&out)
	case packets.Suback:
		err = p.SubackEncode(&out)
	case packets.Unsuback:
		err = p.UnsubackEncode(&out)
	case packets.Pingresp:
		err = p.PingrespEncode(&out)
	default:
		err = errKind
	}
	return out.Bytes(), err
}
