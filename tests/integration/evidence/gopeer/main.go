// A witness and a monitor of a C2SP log, with nothing but golang.org/x/mod/sumdb/{note,tlog} and the
// standard library: notes are opened, proofs and tiles checked by Go's code.
//
// Usage: gopeer witness NAME SEED LOGKEY     prints "URL VKEY", answers add-checkpoint until killed
//
//	gopeer monitor URL LOGKEY [FILE]    checks the log at URL against the head in FILE, if any,
//	                                    and every entry; prints the head, exits 0, or says why
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...interface{}) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

type head struct {
	origin string
	tlog.Tree
}

func open(data []byte, key string) (head, *note.Note, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return head{}, nil, err
	}
	n, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return head{}, nil, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return head{}, nil, fmt.Errorf("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return head{}, nil, err
	}
	root, err := tlog.ParseHash(lines[2])
	return head{lines[0], tlog.Tree{N: size, Hash: root}}, n, err
}

// signer makes cosignature/v1 lines through note's own interface.
type signer struct {
	name string
	key  ed25519.PrivateKey
}

func (s signer) public() []byte {
	return append([]byte{4}, s.key.Public().(ed25519.PublicKey)...)
}

func (s signer) Name() string { return s.name }
func (s signer) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(s.name+"\n"), s.public()...))
	return binary.BigEndian.Uint32(sum[:])
}

func (s signer) Sign(msg []byte) ([]byte, error) {
	at := uint64(time.Now().Unix())
	out := make([]byte, 8)
	binary.BigEndian.PutUint64(out, at)
	return append(out, ed25519.Sign(s.key, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, msg)))...), nil
}

type witness struct {
	sync.Mutex
	signer signer
	log    string
	last   head
	shown  []byte
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.Lock()
	defer w.Unlock()
	origin := strings.SplitN(w.log, "+", 2)[0]
	sum := sha256.Sum256([]byte(origin))
	if r.Method == "GET" && r.URL.Path == "/"+hex.EncodeToString(sum[:])+"/checkpoint" && w.shown != nil {
		rw.Write(w.shown)
		return
	}
	if r.Method != "POST" || r.URL.Path != "/add-checkpoint" {
		http.Error(rw, "no", 404)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	parts := bytes.SplitN(body, []byte("\n\n"), 2)
	if err != nil || len(parts) != 2 {
		http.Error(rw, "no request", 400)
		return
	}
	lines := strings.Split(string(parts[0]), "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil {
		http.Error(rw, "no old size", 400)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			http.Error(rw, "no hash", 400)
			return
		}
		proof = append(proof, hash)
	}
	if strings.SplitN(string(parts[1]), "\n", 2)[0] != origin {
		http.Error(rw, "unknown log", 404)
		return
	}
	now, n, err := open(parts[1], w.log)
	switch {
	case err != nil:
		http.Error(rw, err.Error(), 403)
	case old > now.N:
		http.Error(rw, "old is larger", 400)
	case old != w.last.N:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(409)
		fmt.Fprintf(rw, "%d\n", w.last.N)
	case old > 0 && tlog.CheckTree(proof, now.N, now.Hash, old, w.last.Hash) != nil:
		http.Error(rw, "inconsistent", 422)
	default:
		signed, err := note.Sign(&note.Note{Text: n.Text}, w.signer)
		if err != nil {
			http.Error(rw, err.Error(), 500)
			return
		}
		line := signed[bytes.LastIndex(signed, []byte("\n\n"))+2:]
		w.last = now
		w.shown = append(append([]byte{}, parts[1]...), line...)
		rw.Write(line)
	}
}

func serve(name, seed, log string) {
	raw, err := hex.DecodeString(seed)
	if err != nil || len(raw) != 32 {
		fail("no seed")
	}
	s := signer{name, ed25519.NewKeyFromSeed(raw)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("%v", err)
	}
	fmt.Printf("http://%s %s+%08x+%s\n", listener.Addr(), name, s.KeyHash(),
		base64.StdEncoding.EncodeToString(s.public()))
	fail("%v", http.Serve(listener, &witness{signer: s, log: log}))
}

func fetch(url string) []byte {
	reply, err := http.Get(url)
	if err != nil {
		fail("%v", err)
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(io.LimitReader(reply.Body, 32<<20))
	if err != nil || reply.StatusCode != 200 {
		fail("%s: %v %v", url, reply.Status, err)
	}
	return data
}

func grouped(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}

// tiles reads C2SP tlog-tiles paths, whose height of 8 is not in the name.
type tiles struct{ url string }

func (t tiles) Height() int                     { return 8 }
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, one := range wanted {
		path := fmt.Sprintf("%s/tile/%d/%s", t.url, one.L, grouped(one.N))
		if one.W < 256 {
			path += fmt.Sprintf(".p/%d", one.W)
		}
		data := fetch(path)
		if len(data) != one.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes", path, len(data))
		}
		out = append(out, data)
	}
	return out, nil
}

func monitor(url, key, before string) {
	data := fetch(url + "/checkpoint")
	now, _, err := open(data, key)
	if err != nil {
		fail("checkpoint: %v", err)
	}
	hashes := tlog.TileHashReader(now.Tree, tiles{url})
	if before != "" {
		kept, err := os.ReadFile(before)
		if err != nil {
			fail("%v", err)
		}
		old, _, err := open(kept, key)
		if err != nil {
			fail("old checkpoint: %v", err)
		}
		if old.N > now.N {
			fail("rolled back from %d to %d", old.N, now.N)
		}
		if old.N > 0 {
			proof, err := tlog.ProveTree(now.N, old.N, hashes)
			if err != nil {
				fail("tiles: %v", err)
			}
			if err := tlog.CheckTree(proof, now.N, now.Hash, old.N, old.Hash); err != nil {
				fail("split view: %v", err)
			}
		}
	}
	for first := int64(0); first < now.N; first += 256 {
		count := now.N - first
		path := fmt.Sprintf("%s/tile/entries/%s", url, grouped(first/256))
		if count >= 256 {
			count = 256
		} else {
			path += fmt.Sprintf(".p/%d", count)
		}
		bundle := fetch(path)
		var indexes []int64
		for i := int64(0); i < count; i++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+i))
		}
		leaves, err := hashes.ReadHashes(indexes)
		if err != nil {
			fail("tiles: %v", err)
		}
		for i := range leaves {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("%s: too short", path)
			}
			size := int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:2+size]) != leaves[i] {
				fail("entry %d is not the one in the tree", first+int64(i))
			}
			bundle = bundle[2+size:]
		}
		if len(bundle) > 0 {
			fail("%s: too long", path)
		}
	}
	os.Stdout.Write(data)
}

func main() {
	switch {
	case len(os.Args) == 5 && os.Args[1] == "witness":
		serve(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 4 && os.Args[1] == "monitor":
		monitor(os.Args[2], os.Args[3], "")
	case len(os.Args) == 5 && os.Args[1] == "monitor":
		monitor(os.Args[2], os.Args[3], os.Args[4])
	default:
		fail("usage: gopeer witness|monitor ...")
	}
}
