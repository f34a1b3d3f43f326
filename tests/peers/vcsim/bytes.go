package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vmdk"
)

type (
	context = simulator.Context
	machine struct{ *simulator.VirtualMachine }
	moment  struct {
		*simulator.VirtualMachineSnapshot
	}
	disks struct{ *simulator.VirtualDiskManager }
)

// known are the sessions that see an object of ours in the place of the simulator's own.
type known struct {
	lock     sync.Mutex
	sessions map[types.ManagedObjectReference][]*simulator.Session
}

var ours = &known{sessions: map[types.ManagedObjectReference][]*simulator.Session{}}

// faithful lets a session see, for some objects, one of ours that knows more of their methods. The
// simulator itself goes on with its own.
func faithful(ctx *context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil
	}
	if list, ok := ctx.Session.Registry.Get(method.This).(*simulator.ListView); ok {
		ctx.Session.Registry.Put(&view{list})
	}
	switch it := ctx.Map.Get(method.This).(type) {
	case *simulator.VirtualMachine:
		ours.show(ctx.Session, it.Self, &machine{it})
	case *simulator.VirtualMachineSnapshot:
		ours.show(ctx.Session, it.Self, &moment{it})
	case *simulator.VirtualDiskManager:
		ours.show(ctx.Session, it.Self, &disks{it})
	}
	return nil, nil
}

func (k *known) show(session *simulator.Session, ref types.ManagedObjectReference, as mo.Reference) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if session.Registry.Get(ref) == nil {
		session.Registry.Put(as)
		k.sessions[ref] = append(k.sessions[ref], session)
	}
}

// RemoveObject hides what the simulator removes. With the next three it is a RegisterObject.
func (k *known) RemoveObject(ctx *context, ref types.ManagedObjectReference) {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, session := range k.sessions[ref] {
		session.Registry.Remove(ctx, ref)
	}
	delete(k.sessions, ref)
}

func (k *known) PutObject(*context, mo.Reference) {}

func (k *known) UpdateObject(*context, mo.Reference, []types.PropertyChange) {}

func (k *known) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Known", Value: "known"}
}

// AcquireTicket gives what a browser needs to see a screen: VirtualMachineTicket of vim25.
func (m *machine) AcquireTicket(ctx *context, req *types.AcquireTicket) soap.HasFault {
	body := new(methods.AcquireTicketBody)
	if m.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		body.Fault_ = simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn,
			ExistingState:  m.Runtime.PowerState,
		})
		return body
	}
	host := ctx.Map.Get(*m.Runtime.Host).(*simulator.HostSystem)
	body.Res = &types.AcquireTicketResponse{Returnval: types.VirtualMachineTicket{
		Ticket: fmt.Sprintf("%x", m.Self.Value), Host: host.Name, Port: 443,
	}}
	return body
}

// PowerOnVMTask refuses what does not fit on the host, and disks that a running machine has.
func (m *machine) PowerOnVMTask(ctx *context, req *types.PowerOnVM_Task) soap.HasFault {
	host := ctx.Map.Get(*m.Runtime.Host).(*simulator.HostSystem)
	task := simulator.CreateTask(m.VirtualMachine, "powerOn",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			wants := int64(m.Config.Hardware.MemoryMB) << 20
			if wants > host.Hardware.MemorySize {
				return nil, &types.InsufficientMemoryResourcesFault{
					Unreserved: host.Hardware.MemorySize, Requested: wants,
				}
			}
			for _, disk := range files(m.VirtualMachine) {
				name := backing(disk).FileName
				if user := runs(ctx, name); user != nil && user.Self != m.Self {
					return nil, locked(name)
				}
				if _, err := os.Stat(resolve(ctx, name)); err != nil {
					return nil, &types.FileNotFound{FileFault: types.FileFault{File: name}}
				}
			}
			return wait(ctx, m.VirtualMachine.PowerOnVMTask(ctx, req).(*methods.PowerOnVM_TaskBody).Res)
		})
	return &methods.PowerOnVM_TaskBody{
		Res: &types.PowerOnVM_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// RelocateVMTask takes along the disks that its locators name, and the lists of its hosts.
func (m *machine) RelocateVMTask(ctx *context, req *types.RelocateVM_Task) soap.HasFault {
	task := simulator.CreateTask(m.VirtualMachine, "relocateVm",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			from := *m.Runtime.Host
			for _, disk := range files(m.VirtualMachine) {
				target := req.Spec.Datastore
				for i := range req.Spec.Disk {
					if req.Spec.Disk[i].DiskId == disk.Key {
						target = &req.Spec.Disk[i].Datastore
					}
				}
				if target != nil && *target != *backing(disk).Datastore {
					if err := m.carry(ctx, disk, *target); err != nil {
						return nil, &types.GenericVmConfigFault{Reason: err.Error()}
					}
				}
			}
			spec := req.Spec
			spec.Disk = nil
			ask := &types.RelocateVM_Task{This: req.This, Spec: spec}
			_, fault := wait(ctx, m.VirtualMachine.RelocateVMTask(ctx, ask).(*methods.RelocateVM_TaskBody).Res)
			if fault == nil && spec.Host != nil && *spec.Host != from {
				old := ctx.Map.Get(from).(*simulator.HostSystem)
				now := ctx.Map.Get(*spec.Host).(*simulator.HostSystem)
				ctx.Map.RemoveReference(ctx, old, &old.Vm, m.Self)
				ctx.Map.AppendReference(ctx, now, &now.Vm, m.Self)
			}
			return nil, fault
		})
	return &methods.RelocateVM_TaskBody{
		Res: &types.RelocateVM_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// ReconfigVMTask lets the file of a disk be as large as the machine is told that it is.
func (m *machine) ReconfigVMTask(ctx *context, req *types.ReconfigVM_Task) soap.HasFault {
	task := simulator.CreateTask(m.VirtualMachine, "reconfigVm",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			_, fault := wait(ctx, m.VirtualMachine.ReconfigVMTask(ctx, req).(*methods.ReconfigVM_TaskBody).Res)
			if fault != nil {
				return nil, fault
			}
			for _, disk := range files(m.VirtualMachine) {
				if err := stretch(resolve(ctx, backing(disk).FileName), disk.CapacityInBytes); err != nil {
					return nil, &types.GenericVmConfigFault{Reason: err.Error()}
				}
			}
			return nil, nil
		})
	return &methods.ReconfigVM_TaskBody{
		Res: &types.ReconfigVM_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// stretch writes a larger capacity into a descriptor.
func stretch(name string, capacity int64) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	desc, err := vmdk.ParseDescriptor(file)
	_ = file.Close()
	if err != nil || desc.Capacity() >= capacity || len(desc.Extent) == 0 {
		return err
	}
	desc.Extent[0].Size = capacity / vmdk.SectorSize
	made, err := os.Create(name)
	if err != nil {
		return err
	}
	defer made.Close()
	return desc.Write(made)
}

// carry moves one disk into the machine's folder on another datastore; its past stays behind.
func (m *machine) carry(ctx *context, disk *types.VirtualDisk, to types.ManagedObjectReference) error {
	info := backing(disk)
	old := info.FileName
	target := ctx.Map.Get(to).(*simulator.Datastore)
	var was object.DatastorePath
	was.FromString(old)
	made := object.DatastorePath{Datastore: target.Name, Path: path.Join(m.Name, path.Base(was.Path))}
	if err := os.MkdirAll(path.Dir(resolve(ctx, made.String())), 0o700); err != nil {
		return err
	}
	if err := duplicate(ctx, old, made.String()); err != nil {
		return err
	}
	erase(ctx, old)
	info.FileName, info.Datastore, info.Parent = made.String(), &to, nil
	m.changed(ctx)
	return nil
}

// CreateSnapshotTask lets each disk go on in a file of its own; what it was before stays.
func (m *machine) CreateSnapshotTask(ctx *context, req *types.CreateSnapshot_Task) soap.HasFault {
	task := simulator.CreateTask(m.VirtualMachine, "createSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			kept := []types.BaseVirtualDevice{}
			for _, device := range m.Config.Hardware.Device {
				kept = append(kept, frozen(device))
			}
			made, fault := wait(ctx, m.VirtualMachine.CreateSnapshotTask(ctx, req).(*methods.CreateSnapshot_TaskBody).Res)
			if fault != nil {
				return nil, fault
			}
			ref := made.(types.ManagedObjectReference)
			ctx.Map.Get(ref).(*simulator.VirtualMachineSnapshot).Config.Hardware.Device = kept
			for _, disk := range files(m.VirtualMachine) {
				if err := m.branch(ctx, disk); err != nil {
					return nil, &types.GenericVmConfigFault{Reason: err.Error()}
				}
			}
			m.changed(ctx)
			return ref, nil
		})
	return &methods.CreateSnapshot_TaskBody{
		Res: &types.CreateSnapshot_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// branch goes on from what the disk is now in the next file of its name: -000001, -000002, ...
func (m *machine) branch(ctx *context, disk *types.VirtualDisk) error {
	info := backing(disk)
	old := *info
	stem := strings.TrimSuffix(info.FileName, ".vmdk")
	if at := len(stem) - 7; at > 0 && stem[at] == '-' && strings.Trim(stem[at+1:], "0123456789") == "" {
		stem = stem[:at]
	}
	for number := 1; ; number++ {
		name := fmt.Sprintf("%s-%06d.vmdk", stem, number)
		if _, err := os.Stat(resolve(ctx, name)); err == nil {
			continue
		}
		info.FileName, info.Parent = name, &old
		return duplicate(ctx, old.FileName, name)
	}
}

// RevertToSnapshotTask drops what was written since, and runs or stops as the memory says.
func (s *moment) RevertToSnapshotTask(ctx *context, req *types.RevertToSnapshot_Task) soap.HasFault {
	task := simulator.CreateTask(s.Vm, "revertToSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			vm := ctx.Map.Get(s.Vm).(*simulator.VirtualMachine)
			_, fault := wait(ctx, s.VirtualMachineSnapshot.RevertToSnapshotTask(ctx, req).(*methods.RevertToSnapshot_TaskBody).Res)
			if fault != nil {
				return nil, fault
			}
			m := &machine{vm}
			var failed error
			ctx.WithLock(vm, func() {
				for _, disk := range files(vm) {
					erase(ctx, backing(disk).FileName)
				}
				now := []types.BaseVirtualDevice{}
				for _, device := range s.Config.Hardware.Device {
					now = append(now, frozen(device))
				}
				vm.Config.Hardware.Device = now
				for _, disk := range files(vm) {
					if err := m.branch(ctx, disk); err != nil {
						failed = err
					}
				}
				m.changed(ctx)
			})
			if failed != nil {
				return nil, &types.GenericVmConfigFault{Reason: failed.Error()}
			}
			return nil, nil
		})
	return &methods.RevertToSnapshot_TaskBody{
		Res: &types.RevertToSnapshot_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// RemoveSnapshotTask lets what came after the snapshot go into the file that it had kept.
func (s *moment) RemoveSnapshotTask(ctx *context, req *types.RemoveSnapshot_Task) soap.HasFault {
	task := simulator.CreateTask(s.Vm, "removeSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			vm := ctx.Map.Get(s.Vm).(*simulator.VirtualMachine)
			kept := s.Config.Hardware.Device
			ctx.WithLock(vm, func() { s.forget(vm) })
			_, fault := wait(ctx, s.VirtualMachineSnapshot.RemoveSnapshotTask(ctx, req).(*methods.RemoveSnapshot_TaskBody).Res)
			if fault != nil {
				return nil, fault
			}
			ctx.WithLock(vm, func() {
				others := []*types.VirtualDisk{}
				for _, ref := range all(vm) {
					config := ctx.Map.Get(ref).(*simulator.VirtualMachineSnapshot).Config
					others = append(others, selected(config.Hardware.Device)...)
				}
				for _, disk := range selected(kept) {
					merge(ctx, backing(disk).FileName, append(others, files(vm)...))
				}
				(&machine{vm}).changed(ctx)
			})
			return nil, nil
		})
	return &methods.RemoveSnapshot_TaskBody{
		Res: &types.RemoveSnapshot_TaskResponse{Returnval: task.Run(ctx)},
	}
}

// forget takes the snapshot out of the machine's layout: the simulator finds the snapshot's file
// there by a key that, once disks have changed, may be a disk's, and would delete that.
func (s *moment) forget(vm *simulator.VirtualMachine) {
	kept := []types.VirtualMachineFileLayoutExSnapshotLayout{}
	for _, layout := range vm.LayoutEx.Snapshot {
		if layout.Key != s.Self {
			kept = append(kept, layout)
		}
	}
	vm.LayoutEx.Snapshot = kept
}

// merge puts the only child of a file into it, and lets all that named the child name the file.
func merge(ctx *context, name string, others []*types.VirtualDisk) {
	children := map[string]bool{}
	for _, disk := range others {
		for link := backing(disk); link != nil; link = link.Parent {
			if link.FileName == name && link == backing(disk) {
				return // another snapshot keeps the very same file
			}
			if link.Parent != nil && link.Parent.FileName == name {
				children[link.FileName] = true
			}
		}
	}
	if len(children) != 1 {
		return
	}
	for child := range children {
		erase(ctx, name)
		_ = duplicate(ctx, child, name)
		erase(ctx, child)
		for _, disk := range others {
			for link := backing(disk); link != nil; link = link.Parent {
				if link.FileName == child {
					link.FileName, link.Parent = name, link.Parent.Parent
				}
			}
		}
	}
}

// A disk that a running machine has open is locked: only what lies below it may be read.
func (d *disks) DeleteVirtualDiskTask(ctx *context, r *types.DeleteVirtualDisk_Task) soap.HasFault {
	if runs(ctx, r.Name) == nil {
		return d.VirtualDiskManager.DeleteVirtualDiskTask(ctx, r)
	}
	return &methods.DeleteVirtualDisk_TaskBody{
		Res: &types.DeleteVirtualDisk_TaskResponse{Returnval: d.refuse(ctx, r.Name)},
	}
}

func (d *disks) MoveVirtualDiskTask(ctx *context, r *types.MoveVirtualDisk_Task) soap.HasFault {
	if runs(ctx, r.SourceName) == nil {
		return d.VirtualDiskManager.MoveVirtualDiskTask(ctx, r)
	}
	return &methods.MoveVirtualDisk_TaskBody{
		Res: &types.MoveVirtualDisk_TaskResponse{Returnval: d.refuse(ctx, r.SourceName)},
	}
}

func (d *disks) CopyVirtualDiskTask(ctx *context, r *types.CopyVirtualDisk_Task) soap.HasFault {
	if runs(ctx, r.SourceName) == nil {
		return d.VirtualDiskManager.CopyVirtualDiskTask(ctx, r)
	}
	return &methods.CopyVirtualDisk_TaskBody{
		Res: &types.CopyVirtualDisk_TaskResponse{Returnval: d.refuse(ctx, r.SourceName)},
	}
}

func (d *disks) ExtendVirtualDiskTask(ctx *context, r *types.ExtendVirtualDisk_Task) soap.HasFault {
	if runs(ctx, r.Name) == nil {
		return d.VirtualDiskManager.ExtendVirtualDiskTask(ctx, r)
	}
	return &methods.ExtendVirtualDisk_TaskBody{
		Res: &types.ExtendVirtualDisk_TaskResponse{Returnval: d.refuse(ctx, r.Name)},
	}
}

func (d *disks) refuse(ctx *context, name string) types.ManagedObjectReference {
	return simulator.CreateTask(d.VirtualDiskManager, "virtualDisk",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { return nil, locked(name) }).Run(ctx)
}

func locked(name string) types.BaseMethodFault {
	return &types.FileLocked{FileFault: types.FileFault{File: name}}
}

// runs is the running machine that writes to a file.
func runs(ctx *context, name string) *simulator.VirtualMachine {
	for _, one := range ctx.Map.All("VirtualMachine") {
		vm := one.(*simulator.VirtualMachine)
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
			continue
		}
		for _, disk := range files(vm) {
			if backing(disk).FileName == name {
				return vm
			}
		}
	}
	return nil
}

func (m *machine) changed(ctx *context) {
	devices := append([]types.BaseVirtualDevice{}, m.Config.Hardware.Device...)
	ctx.Update(m.VirtualMachine, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
}

func all(vm *simulator.VirtualMachine) []types.ManagedObjectReference {
	var found []types.ManagedObjectReference
	var walk func([]types.VirtualMachineSnapshotTree)
	walk = func(trees []types.VirtualMachineSnapshotTree) {
		for _, tree := range trees {
			found = append(found, tree.Snapshot)
			walk(tree.ChildSnapshotList)
		}
	}
	if vm.Snapshot != nil {
		walk(vm.Snapshot.RootSnapshotList)
	}
	return found
}

func files(vm *simulator.VirtualMachine) []*types.VirtualDisk {
	return selected(vm.Config.Hardware.Device)
}

func selected(devices []types.BaseVirtualDevice) []*types.VirtualDisk {
	var found []*types.VirtualDisk
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok && backing(disk) != nil {
			found = append(found, disk)
		}
	}
	return found
}

func backing(disk *types.VirtualDisk) *types.VirtualDiskFlatVer2BackingInfo {
	info, _ := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	return info
}

// frozen copies a disk's device with its chain, so that what goes on does not change what was.
func frozen(device types.BaseVirtualDevice) types.BaseVirtualDevice {
	disk, ok := device.(*types.VirtualDisk)
	if !ok || backing(disk) == nil {
		return device
	}
	made, info := *disk, *backing(disk)
	made.Backing = &info
	for link := &info; link.Parent != nil; link = link.Parent {
		parent := *link.Parent
		link.Parent = &parent
	}
	return &made
}

func resolve(ctx *context, name string) string {
	var at object.DatastorePath
	at.FromString(name)
	for _, one := range ctx.Map.All("Datastore") {
		if store := one.(*simulator.Datastore); store.Name == at.Datastore {
			return path.Join(store.Summary.Url, at.Path)
		}
	}
	return ""
}

func pair(name string) []string {
	return []string{strings.TrimSuffix(name, ".vmdk") + "-flat.vmdk", name}
}

// duplicate copies a disk; its descriptor names the new file, so both stand alone.
func duplicate(ctx *context, from, to string) error {
	targets := pair(resolve(ctx, to))
	for i, source := range pair(resolve(ctx, from)) {
		content, err := os.Open(source)
		if err != nil {
			return err
		}
		made, err := os.Create(targets[i])
		if err == nil {
			_, err = io.Copy(made, content)
			_ = made.Close()
		}
		_ = content.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func erase(ctx *context, name string) {
	for _, file := range pair(resolve(ctx, name)) {
		_ = os.Remove(file)
	}
}

// wait ends with the task that a method of the simulator's has begun.
func wait(ctx *context, begun any) (types.AnyType, types.BaseMethodFault) {
	var ref types.ManagedObjectReference
	switch it := begun.(type) {
	case *types.PowerOnVM_TaskResponse:
		ref = it.Returnval
	case *types.ReconfigVM_TaskResponse:
		ref = it.Returnval
	case *types.RelocateVM_TaskResponse:
		ref = it.Returnval
	case *types.CreateSnapshot_TaskResponse:
		ref = it.Returnval
	case *types.RevertToSnapshot_TaskResponse:
		ref = it.Returnval
	case *types.RemoveSnapshot_TaskResponse:
		ref = it.Returnval
	}
	task := ctx.Map.Get(ref).(*simulator.Task)
	task.Wait()
	if task.Info.Error != nil {
		return nil, task.Info.Error.Fault
	}
	return task.Info.Result, nil
}
