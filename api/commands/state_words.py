"""The states that lists are asked by: a word that is none is refused, and finds not just nothing.

CloudStack's words are known also where nothing here is ever in that state.
"""

from __future__ import annotations

from api.declare import OneOf

ALLOCATION = OneOf("Enabled", "Disabled")
ACCOUNT = OneOf("enabled", "disabled", "locked")
ADDRESS = OneOf("Allocated", "Allocating", "Reserved", "Releasing", "Free")
EVENT = OneOf("Created", "Scheduled", "Started", "Completed")
GUEST = OneOf(
    "Starting", "Running", "Stopping", "Stopped", "Migrating", "Destroyed", "Expunging", "Error",
    "Shutdown", "Unknown",
)  # fmt: skip
HOST = OneOf(
    "Creating", "Connecting", "Up", "Down", "Disconnected", "Alert", "Removed", "Error",
    "Rebalancing", "Unknown",
)  # fmt: skip
INVITATION = OneOf("Pending", "Completed", "Expired", "Declined")
MANAGED = OneOf("Managed", "PrepareUnmanaged", "PrepareUnmanagedError", "Unmanaged")
OFFERING = OneOf("Active", "Inactive", "all")
PROJECT = OneOf("Active", "Disabled", "Suspended")
PROVIDER = OneOf("Enabled", "Disabled", "Shutdown")
RESOURCE = OneOf(
    "Creating", "Enabled", "Disabled", "PrepareForMaintenance", "ErrorInPrepareForMaintenance",
    "Maintenance", "ErrorInMaintenance", "Degraded", "Error",
)  # fmt: skip
ROLE = OneOf("enabled", "disabled")
VM_SNAPSHOT = OneOf("Allocated", "Creating", "Ready", "Reverting", "Expunging", "Removed", "Error")
VOLUME = OneOf(
    "Allocated", "Creating", "Ready", "Attaching", "Resizing", "Snapshotting",
    "RevertSnapshotting", "Restoring", "Migrating", "Copying", "Destroy", "Destroying",
    "Expunging", "Expunged", "NotUploaded", "UploadOp", "UploadInProgress", "Uploaded",
    "UploadError", "UploadAbandoned",
)  # fmt: skip
VPC = OneOf("Enabled", "Inactive")
