// Checks a titer log with nothing but golang.org/x/mod/sumdb/{note,tlog} and the standard library.
//
// Usage: gocheck CASE.json. Prints one line of counts and exits 0, or says what failed and exits 1.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64
	Entry []byte
	Proof [][]byte
}

type consistency struct {
	Old   int64
	Root  []byte
	Proof [][]byte
}

type input struct {
	Key         string
	Note        string
	Tiles       string
	Inclusions  []inclusion
	Consistency []consistency
	Read        []int64 // entries to read from the bundles and prove from the tiles
	Witness     string  // a witness's verifier key, whose cosignature is on Note
	Proof       string  // a tlog-proof file, with the entry as its extra data
}

func fail(format string, args ...interface{}) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

// cosigner verifies C2SP cosignature/v1 (type 4) through note's own interface.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	at := binary.BigEndian.Uint64(sig)
	text := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, msg)
	return ed25519.Verify(c.key, []byte(text), sig[8:])
}

// newCosigner reads name+hex id+base64(4 || key) and checks the id.
func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		fail("witness: malformed key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		fail("witness: not a cosigner's key")
	}
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(raw)))
	if fmt.Sprintf("%x", sum[:4]) != parts[1] {
		fail("witness: key id")
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(sum[:4]), raw[1:]}
}

// proofFile checks a tlog-proof against the log's key: what it says is taken from nowhere else.
func proofFile(text, key string) {
	parts := strings.SplitN(text, "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	if len(parts) != 2 || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("proof: malformed")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		fail("proof: extra: %v", err)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		fail("proof: index: %v", err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			fail("proof: hash: %v", err)
		}
		proof = append(proof, hash)
	}
	tree := head(input{Key: key, Note: parts[1]})
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		fail("proof: %v", err)
	}
}

// hashes32 turns byte strings into tlog hashes.
func hashes32(raw [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(raw))
	for i, h := range raw {
		if len(h) != tlog.HashSize {
			fail("a hash has %d bytes", len(h))
		}
		copy(out[i][:], h)
	}
	return out
}

// flipped returns a copy of the proof with one bit changed in hash i.
func flipped(proof []tlog.Hash, i int) []tlog.Hash {
	out := append([]tlog.Hash(nil), proof...)
	out[i][i%tlog.HashSize] ^= 1 << uint(i%8)
	return out
}

// head verifies the note and reads origin, size and root.
func head(in input) tlog.Tree {
	verifier, err := note.NewVerifier(in.Key)
	if err != nil {
		fail("key: %v", err)
	}
	known := []note.Verifier{verifier}
	if in.Witness != "" {
		known = append(known, newCosigner(in.Witness))
	}
	opened, err := note.Open([]byte(in.Note), note.VerifierList(known...))
	if err != nil {
		fail("note: %v", err)
	}
	if len(opened.Sigs) != len(known) {
		fail("note: %d of %d known keys signed", len(opened.Sigs), len(known))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("checkpoint: not under the key's name")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("checkpoint: %v", err)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		fail("checkpoint: %v", err)
	}
	return tlog.Tree{N: size, Hash: root}
}

// files reads tiles in the C2SP layout (no tile height in the path).
type files struct{ root string }

func (f files) Height() int                          { return 8 }
func (f files) SaveTiles([]tlog.Tile, [][]byte)      {}
func (f files) ReadTiles(t []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range t {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// bundled reads one entry from its bundle.
func bundled(root string, size, index int64) []byte {
	tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}
	if rest := size - tile.N*256; rest < 256 {
		tile.W = int(rest)
	}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		fail("bundle: %v", err)
	}
	for i := int64(0); ; i++ {
		if len(data) < 2 {
			fail("bundle: too short")
		}
		n := int(binary.BigEndian.Uint16(data))
		if i == index%256 {
			return data[2 : 2+n]
		}
		data = data[2+n:]
	}
}

func main() {
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail("%v", err)
	}
	var in input
	if err := json.Unmarshal(raw, &in); err != nil {
		fail("%v", err)
	}
	tree := head(in)
	if in.Proof != "" {
		proofFile(in.Proof, in.Key)
	}
	refused := 0
	for _, c := range in.Inclusions {
		proof := tlog.RecordProof(hashes32(c.Proof))
		leaf := tlog.RecordHash(c.Entry)
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, c.Index, leaf); err != nil {
			fail("inclusion of %d: %v", c.Index, err)
		}
		for i := range proof {
			bad := tlog.RecordProof(flipped(proof, i))
			if tlog.CheckRecord(bad, tree.N, tree.Hash, c.Index, leaf) == nil {
				fail("inclusion of %d: a changed bit was accepted", c.Index)
			}
			refused++
		}
	}
	for _, c := range in.Consistency {
		proof := tlog.TreeProof(hashes32(c.Proof))
		old := hashes32([][]byte{c.Root})[0]
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, c.Old, old); err != nil {
			fail("consistency from %d: %v", c.Old, err)
		}
		for i := range proof {
			bad := tlog.TreeProof(flipped(proof, i))
			if tlog.CheckTree(bad, tree.N, tree.Hash, c.Old, old) == nil {
				fail("consistency from %d: a changed bit was accepted", c.Old)
			}
			refused++
		}
	}
	reader := tlog.TileHashReader(tree, files{in.Tiles})
	for _, index := range in.Read {
		leaf := tlog.RecordHash(bundled(in.Tiles, tree.N, index))
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			fail("tiles: %v", err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf); err != nil {
			fail("entry %d from the tiles: %v", index, err)
		}
	}
	fmt.Printf("inclusions %d consistency %d read %d refused %d\n",
		len(in.Inclusions), len(in.Consistency), len(in.Read), refused)
}
