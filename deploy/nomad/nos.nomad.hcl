# nos as a job of Nomad's qemu driver. See README.md.

variable "image" {
  type        = string
  description = "Where the clients fetch nos.qcow2 from, with ?checksum=sha256:..."
}

job "nos" {
  type = "service"

  group "nos" {
    count = 1

    task "nos" {
      driver = "qemu"

      artifact {
        source = var.image
      }

      config {
        image_path        = "local/nos.qcow2"
        drive_interface   = "virtio"
        accelerator       = "kvm"
        graceful_shutdown = false

        args = [
          "-nodefaults",
          "-display", "none",
          "-smp", "2",
          "-device", "virtio-rng-pci",
          "-netdev", "user,id=net0,restrict=on",
          "-device", "virtio-net-pci,netdev=net0",
          "-serial", "stdio",
        ]
      }

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
