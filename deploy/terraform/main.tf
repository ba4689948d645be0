# nos on Google Cloud: image, closed network, instance template, one instance. See README.md.

terraform {
  required_version = ">= 1.3"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

resource "google_storage_bucket" "images" {
  project                     = var.project
  name                        = "${var.project}-${var.name}-images"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
}

resource "google_storage_bucket_object" "archive" {
  bucket = google_storage_bucket.images.name
  name   = "${var.name}-${filemd5(var.archive)}.tar.gz"
  source = var.archive
}

resource "google_compute_image" "nos" {
  project = var.project
  name    = "${var.name}-${substr(filemd5(var.archive), 0, 8)}"
  family  = var.name

  raw_disk {
    source = "https://storage.googleapis.com/${google_storage_bucket.images.name}/${google_storage_bucket_object.archive.name}"
  }
}

# A network of its own: the default one lets SSH, RDP and all internal traffic in.
resource "google_compute_network" "nos" {
  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "nos" {
  project       = var.project
  name          = var.name
  region        = var.region
  network       = google_compute_network.nos.id
  ip_cidr_range = var.subnet
}

resource "google_compute_firewall" "allow" {
  for_each = var.allow

  project       = var.project
  name          = "${var.name}-${each.key}"
  network       = google_compute_network.nos.name
  direction     = "INGRESS"
  source_ranges = each.value.from
  target_tags   = [var.name]

  allow {
    protocol = each.value.protocol
    ports    = each.value.ports
  }
}

resource "google_compute_instance_template" "nos" {
  project      = var.project
  name_prefix  = "${var.name}-"
  region       = var.region
  machine_type = var.machine_type
  tags         = [var.name]

  disk {
    source_image = google_compute_image.nos.self_link
    auto_delete  = true
    boot         = true
    disk_size_gb = 10
  }

  network_interface {
    subnetwork = google_compute_subnetwork.nos.id
    nic_type   = "VIRTIO_NET"

    dynamic "access_config" {
      for_each = var.external_address ? [1] : []
      content {}
    }
  }

  metadata = merge(
    { serial-port-enable = "TRUE" },
    var.attribute == "" ? {} : { nos = var.attribute },
  )

  # No service_account block: the metadata server then has no token that a guest could leak.

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_instance_from_template" "nos" {
  project                  = var.project
  name                     = var.name
  zone                     = var.zone
  source_instance_template = google_compute_instance_template.nos.self_link_unique
}
