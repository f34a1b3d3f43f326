"""A volume driver of Cinder for tests: volumes are sparse files in a folder of their type.

All else is Cinder's own: API, scheduler, volume manager, quotas, images. It takes the place that
LVM has elsewhere, which needs a kernel that the tests' machines lack.
"""

import os
import shutil

from cinder.image import image_utils
from cinder.volume import driver, volume_utils
from oslo_config import cfg

CONF = cfg.CONF
OPTIONS = [cfg.StrOpt("files_folder", default="")]
CONF.register_opts(OPTIONS)
GIB = 1024**3


class FilesDriver(driver.VolumeDriver):
    VERSION = "1"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    def _path(self, volume):
        return os.path.join(self.configuration.files_folder, volume.name_id)

    def do_setup(self, context):
        os.makedirs(self.configuration.files_folder, exist_ok=True)

    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name,
            "vendor_name": "sagastack",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "total_capacity_gb": 200,
            "free_capacity_gb": 200,
            "reserved_percentage": 0,
            "thin_provisioning_support": True,
            "max_over_subscription_ratio": 20,
            "provisioned_capacity_gb": 0,
        }

    def create_volume(self, volume):
        with open(self._path(volume), "wb") as file:
            file.truncate(volume.size * GIB)

    def create_cloned_volume(self, volume, src_vref):
        self._copy(self._path(src_vref), volume)

    def _copy(self, source, volume):
        path = self._path(volume)
        self._execute("cp", "--sparse=always", source, path)
        with open(path, "r+b") as file:
            file.truncate(volume.size * GIB)

    def delete_volume(self, volume):
        if os.path.exists(self._path(volume)):
            os.unlink(self._path(volume))

    def extend_volume(self, volume, new_size):
        with open(self._path(volume), "r+b") as file:
            file.truncate(new_size * GIB)

    def migrate_volume(self, context, volume, host):
        """Between two folders of one machine nobody else has to copy."""
        folder = os.path.dirname(self.configuration.files_folder)
        target = os.path.join(folder, host["host"].split("#")[0].split("@")[1])
        os.makedirs(target, exist_ok=True)
        shutil.move(self._path(volume), os.path.join(target, volume.name_id))
        return True, None

    def retype(self, context, volume, new_type, diff, host):
        return host["host"].split("#")[0] == volume.host.split("#")[0]

    def copy_image_to_volume(self, context, volume, image_service, image_id, **_):
        image_utils.fetch_to_raw(
            context,
            image_service,
            image_id,
            self._path(volume),
            self.configuration.volume_dd_blocksize,
            size=volume.size,
        )
        with open(self._path(volume), "r+b") as file:
            file.truncate(volume.size * GIB)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(context, image_service, image_meta, self._path(volume), volume)

    def initialize_connection(self, volume, connector, **_):
        return {"driver_volume_type": "fake", "data": {"device_path": self._path(volume)}}

    def terminate_connection(self, volume, connector, **_):
        pass

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector=None):
        pass

    def remove_export(self, context, volume):
        pass
