// Checks a titer log with nothing but golang.org/x/mod/sumdb/{note,tlog} and the standard library.
//
// Usage: gocheck CASE.json. Prints one line of counts and exits 0, or says what failed and exits 1.
package main

import (
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
}

func fail(format string, args ...interface{}) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
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
	opened, err := note.Open([]byte(in.Note), note.VerifierList(verifier))
	if err != nil {
		fail("note: %v", err)
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
