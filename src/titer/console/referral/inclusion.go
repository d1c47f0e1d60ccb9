// inclusion DOSSIER KEY: whether every entry of a dossier is in the log, by golang.org/x/mod alone.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type dossier struct {
	Predicate struct {
		Log     struct{ Checkpoint string }
		Entries []struct {
			Index            int64
			Kind, Salt, Body string
			At               int64
			Proof            []string
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
}

func main() {
	raw, err := os.ReadFile(os.Args[1])
	must(err)
	var envelope struct{ Payload []byte }
	must(json.Unmarshal(raw, &envelope))
	var found dossier
	must(json.Unmarshal(envelope.Payload, &found))
	verifier, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	must(err)
	head, err := note.Open([]byte(found.Predicate.Log.Checkpoint), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(head.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var want tlog.Hash
	copy(want[:], root)
	for _, entry := range found.Predicate.Entries {
		salt, err := base64.StdEncoding.DecodeString(entry.Salt)
		must(err)
		sum := sha256.Sum256(bytes.Join([][]byte{salt, []byte(entry.Body)}, nil))
		line := fmt.Sprintf(`{"v":1,"kind":"%s","at":%d,"commitment":"%s"}`,
			entry.Kind, entry.At, hex.EncodeToString(sum[:]))
		var proof tlog.RecordProof
		for _, one := range entry.Proof {
			hash, err := base64.StdEncoding.DecodeString(one)
			must(err)
			var h tlog.Hash
			copy(h[:], hash)
			proof = append(proof, h)
		}
		must(tlog.CheckRecord(proof, size, want, entry.Index, tlog.RecordHash([]byte(line))))
	}
	fmt.Printf("ok  Go's tlog: %d entries are in the log of %d\n",
		len(found.Predicate.Entries), size)
}
