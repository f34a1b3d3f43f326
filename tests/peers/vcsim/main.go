// A vCenter to test against: govmomi's simulator, with the bytes of disks where it has none.
//
// The simulator is VMware's own. It keeps what a vCenter says right, but its snapshots and storage
// moves leave every file where it is. Here they act on the files, as the vSphere Web Services API
// says that they do: see bytes.go. Each of the tests' folders has one vCenter of its own:
//
//	vcsim -listen 127.0.0.1:0 -user name -password word -cert c.pem -key k.pem
//
// It prints its URL when it serves, and ends when its standard input does.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address and port")
	user := flag.String("user", "", "who may log in")
	password := flag.String("password", "", "with what password")
	cert := flag.String("cert", "", "PEM file of the certificate")
	key := flag.String("key", "", "PEM file of its key")
	hosts := flag.Int("hosts", 2, "hosts in the cluster")
	machines := flag.Int("machines", 0, "machines that are there already")
	flag.Parse()

	model := simulator.VPX()
	model.Host, model.Cluster, model.ClusterHost = 0, 1, *hosts
	model.Datastore, model.Machine, model.Autostart = 2, *machines, false
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	defer model.Remove()
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, *password)}
	model.Map().Handler = faithful
	model.Map().AddHandler(ours)
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Printf("https://%s\n", server.URL.Host)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
