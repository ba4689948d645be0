variable "project" {
  type        = string
  description = "Google Cloud project"
}

variable "name" {
  type        = string
  description = "Name of everything that is made"
  default     = "nos"
}

variable "region" {
  type        = string
  description = "Region of image and network"
  default     = "europe-west1"
}

variable "zone" {
  type        = string
  description = "Zone of the instance"
  default     = "europe-west1-b"
}

variable "machine_type" {
  type        = string
  description = "A type whose disks are virtio-scsi or NVMe and whose NIC may be virtio"
  default     = "e2-small"
}

variable "archive" {
  type        = string
  description = "The archive that ./nos disk makes"
  default     = "../../build/nos-gce.tar.gz"
}

variable "subnet" {
  type        = string
  description = "Addresses of the network"
  default     = "10.90.0.0/24"
}

variable "external_address" {
  type        = bool
  description = "Give the instance an address on the internet"
  default     = false
}

variable "allow" {
  type = map(object({
    from     = list(string)
    protocol = string
    ports    = optional(list(string), [])
  }))
  description = "What the firewall lets in; nothing by default"
  default     = {}
}

variable "attribute" {
  type        = string
  description = "Parameters for an image made with metadata=gce: docs/METADATA.md"
  default     = ""
  sensitive   = true
}
