package main

import (
	"slices"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// view is a list view that tells who looks through it of a change once it is unlocked.
//
// The simulator tells a collector's filter while it holds the view, and WaitForUpdatesEx looks into
// the view while it holds the filter: when both do so at once, neither ever ends.
type view struct{ *simulator.ListView }

// Lock and Unlock make view a sync.Locker, so that the simulator does not lock it for a whole call.
func (view) Lock()   {}
func (view) Unlock() {}

var changing sync.Mutex

// ModifyListView answers with the objects that are not there; they are listed all the same.
func (v *view) ModifyListView(ctx *context, req *types.ModifyListView) soap.HasFault {
	changing.Lock()
	defer changing.Unlock()
	res := new(types.ModifyListViewResponse)
	ctx.WithLock(v.ListView, func() {
		list := slices.Clone(v.View)
		for _, ref := range req.Add {
			if ctx.Session.Get(ref) == nil {
				res.Returnval = append(res.Returnval, ref)
			}
			list = append(list, ref)
		}
		for _, ref := range req.Remove {
			simulator.RemoveReference(&list, ref)
		}
		v.View = list
	})
	if len(req.Add)+len(req.Remove) > 0 {
		ctx.Update(v.ListView, nil)
	}
	return &methods.ModifyListViewBody{Res: res}
}
